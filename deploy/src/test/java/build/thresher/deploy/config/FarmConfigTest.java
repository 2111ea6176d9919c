package build.thresher.deploy.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FarmConfigTest {
  @TempDir Path dir;

  private Path file(String yaml) throws Exception {
    return Files.writeString(dir.resolve("farm.yaml"), yaml);
  }

  @Test
  void aMisspeltSectionIsAnsweredWithTheSectionThatIsMeant() throws Exception {
    Path file = file("exector:\n  slots: 2\n");
    ConfigException refused =
        assertThrows(ConfigException.class, () -> FarmConfig.load(file, Map.of(), List.of()));
    assertTrue(refused.toString().endsWith("the nearest one is `executor`"), refused.toString());
  }

  @Test
  void variablesThatAreAlmostNamedAsAKeyAreFound() {
    assertEquals(
        Map.of("THRESHER_EXECUTR_SLOTS", "THRESHER_EXECUTOR_SLOTS"),
        FarmConfig.misspelt(
            Map.of(
                "THRESHER_EXECUTR_SLOTS", "2",
                "THRESHER_EXECUTOR_SLOTS", "3",
                "THRESHER_SERVER", "farm:8980",
                "EXECUTOR_SLOTS", "4")));
  }

  @Test
  void flagsComeBeforeEnvironmentBeforeFileBeforeDefaults() throws Exception {
    Path file = file("scheduler: {lease_term: 10s, failure_ttl: 2h}\nexecutor:\n  slots: 3\n");
    FarmConfig config =
        FarmConfig.load(
            file,
            Map.of("THRESHER_SCHEDULER_LEASE_TERM", "20s", "THRESHER_EXECUTOR_SLOTS", "4"),
            List.of("executor.slots=5"));
    assertEquals(5, config.get(Key.EXECUTOR_SLOTS));
    assertEquals(Duration.ofSeconds(20), config.get(Key.LEASE_TERM));
    assertEquals(Duration.ofHours(2), config.get(Key.FAILURE_TTL));
    assertEquals(256, config.get(Key.PADDED_LENGTH));
  }

  @Test
  void anUnknownKeyIsRefusedWithTheNearestOne() throws Exception {
    Path file = file("executor:\n  slot: 3\n");
    var e = assertThrows(ConfigException.class, () -> FarmConfig.load(file, Map.of(), List.of()));
    assertTrue(String.valueOf(e.getMessage()).contains("`executor.slots`"), e.getMessage());
  }

  @Test
  void aValueThatCannotBeReadIsNamedWithAnExample() throws Exception {
    for (String bad :
        List.of(
            "store.reserve=lots", "grpc.listen=8980", "executor.slots=two", "access.open=yes")) {
      var e =
          assertThrows(
              ConfigException.class, () -> FarmConfig.load(null, Map.of(), List.of(bad)), bad);
      assertTrue(String.valueOf(e.getMessage()).contains("for example"), e.getMessage());
    }
  }

  @Test
  void theDocumentationIsAConfigurationThatSaysTheDefaults() throws Exception {
    FarmConfig documented = FarmConfig.load(file(FarmConfig.documentation()), Map.of(), List.of());
    FarmConfig defaults = FarmConfig.load(null, Map.of(), List.of());
    for (Key<?> key : Key.ALL) {
      assertEquals(defaults.get(key), documented.get(key), key.name());
    }
  }

  @Test
  void listsAndMapsAreReadInEveryPlace() throws Exception {
    FarmConfig config =
        FarmConfig.load(
            file("instances: [default, review]\nexecutor: {labels: {pool: gpu}}\n"),
            Map.of("THRESHER_SOURCES_MIRRORS", "file:///a, https://b.example/c"),
            List.of());
    assertEquals(List.of("default", "review"), config.get(Key.INSTANCES));
    assertEquals(Map.of("pool", "gpu"), config.get(Key.EXECUTOR_LABELS));
    assertEquals(List.of("file:///a", "https://b.example/c"), config.get(Key.SOURCE_MIRRORS));
  }

  @Test
  void sizesKnowBinaryAndDecimalUnits() throws Exception {
    for (var e : Map.of("1KiB", 1024L, "1KB", 1000L, "2GiB", 2L << 30, "17", 17L).entrySet()) {
      FarmConfig c = FarmConfig.load(null, Map.of(), List.of("store.reserve=" + e.getKey()));
      assertEquals(e.getValue(), c.get(Key.STORE_RESERVE), e.getKey());
    }
  }
}
