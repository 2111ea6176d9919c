package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * One farm and two people with Spack, in the order in which it would happen. Its key is of the kind
 * that is not the default, so that both releases of Spack verify what such a key signed.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class SpackBuildTest {
  private Path directory = Path.of("");
  private @Nullable SpackWorld first;
  private @Nullable SpackWorld second;
  private @Nullable FarmUnderTest farm;

  @BeforeAll
  void start(@TempDir Path scratch) throws Exception {
    directory = scratch;
    first = SpackWorld.make(directory.resolve("first"));
    second = SpackWorld.make(directory.resolve("second"));
    farm =
        FarmUnderTest.start(
            directory.resolve("farm"), "executor.slots=2", "mirror.key_type=ed25519");
  }

  @AfterAll
  void stop() throws Exception {
    if (farm != null) {
      farm.close();
    }
  }

  private Path suite() throws Exception {
    return first().concretize("fl-suite");
  }

  @Test
  @Order(1)
  void theFarmBuildsADagAndSpackInstallsItWithSignaturesChecked() throws Exception {
    Processes.Ended install =
        first().farm(farm(), "install", "--upload-sources", "-y", suite().toString());
    assertEquals(0, install.exit(), () -> install.output() + log());
    assertTrue(install.output().contains("fl-suite@1.0"), install.output());

    String installed = first().spack("find", "--format", "{name}").succeeded().output();
    for (String name :
        List.of("fl-suite", "fl-top", "fl-left", "fl-right", "fl-core", "fl-tools")) {
      assertTrue(installed.contains(name), name + " is not among\n" + installed);
    }
    String prefix = lastLine(first().spack("location", "-i", "fl-top").succeeded().output());
    Processes.Ended run =
        Processes.run(directory, java.util.Map.of(), List.of(prefix + "/bin/fl-top"));
    assertTrue(run.succeeded().output().startsWith("fl-top "), run.output());
  }

  @Test
  @Order(2)
  void aSecondClientIsServedWithoutABuildAndUploadsNothing() throws Exception {
    Processes.Ended install =
        second().farm(farm(), "install", "--upload-sources", "-y", suite().toString());
    assertEquals(0, install.exit(), () -> install.output() + log());
    assertTrue(install.output().contains("nothing to upload"), install.output());
    String installed = second().spack("find", "--format", "{name}").succeeded().output();
    assertTrue(installed.contains("fl-suite"), installed);
    Path missing = directory.resolve("missing.json");
    second()
        .spack("buildcache", "check", "-m", farm().mirrorUrl(), "-o", missing + "", "fl-suite")
        .succeeded();
    assertEquals("{}", Files.readString(missing), "Spack would build something again");
  }

  @Test
  @Order(3)
  void whatFailsIsNamedWithItsLogWhileTheRestSucceeds() throws Exception {
    Path broken = first().concretize("fl-broken");
    Processes.Ended install =
        first().farm(farm(), "install", "--upload-sources", "-y", broken.toString());
    assertNotEquals(0, install.exit(), install.output());
    assertTrue(
        install.output().contains("The following packages failed to install:"), install.output());
    assertTrue(install.output().contains("undeclared"), install.output());
  }

  @Test
  @Order(4)
  void aChangedNodeIsRefusedWithItsName() throws Exception {
    Path changed = directory.resolve("changed.spec.json");
    String json = Files.readString(first().concretize("fl-slow"));
    Files.writeString(
        changed,
        json.replace(
            "\"name\":\"fl-slow\",\"version\":\"1.0\"",
            "\"name\":\"fl-slow\",\"version\":\"1.1\""));
    assertNotEquals(json, Files.readString(changed));
    Processes.Ended install =
        first().farm(farm(), "install", "--upload-sources", "-y", changed.toString());
    assertNotEquals(0, install.exit(), install.output());
    String refusal = lastLine(install.output());
    assertTrue(refusal.contains("rror: "), install.output());
    assertTrue(refusal.contains("fl-slow@1.1"), install.output());
    assertTrue(refusal.contains("hash"), install.output());
    assertFalse(farm().logs().contains("fl-slow@1.1"), "no executor was asked");
  }

  @Test
  @Order(5)
  void aChangedRecipeIsRefusedBeforeAnythingIsBuilt() throws Exception {
    Path document = second().concretize("fl-slow");
    Path recipe = second().directory().resolve("repos/spack_repo/fl/packages/fl_slow/package.py");
    Files.writeString(
        recipe,
        Files.readString(recipe)
            .replace(
                "def install(self, spec, prefix):",
                "def install(self, spec, prefix):\n        mkdirp(prefix.share)"));
    Processes.Ended install =
        second().farm(farm(), "install", "--upload-sources", "-y", document.toString());
    assertNotEquals(0, install.exit(), install.output());
    assertTrue(install.output().contains("package hash"), install.output());
    Processes.Ended log = second().farm(farm(), "logs", "/" + Solved.rootOf(document)).succeeded();
    assertFalse(log.output().contains("sleep 20"), log.output());
    assertFalse(log.output().contains("Executing phase"), log.output());
  }

  @Test
  @Order(6)
  void inAnEnvironmentTheRestIsInstalledWhenOneFails() throws Exception {
    Path environment = first().environment("fl-top+shout", "fl-broken");
    Processes.Ended install =
        first().farmIn(environment, farm(), "install", "--upload-sources", "-y");
    assertNotEquals(0, install.exit(), install.output());
    assertTrue(install.output().contains("fl-broken@1.0/"), install.output());
    assertTrue(install.output().contains("undeclared"), install.output());
    String prefix = lastLine(first().spack("location", "-i", "fl-top+shout").succeeded().output());
    Processes.Ended run =
        Processes.run(directory, java.util.Map.of(), List.of(prefix + "/bin/fl-top"));
    assertTrue(run.succeeded().output().contains("LOUD"), run.output());
  }

  @Test
  @Order(7)
  void aClientWithAnotherSpackSharesTheFarm() throws Exception {
    SpackWorld third = SpackWorld.makeOfAnotherSpack(directory.resolve("third"));
    Processes.Ended install = third.farm(farm(), "install", "--upload-sources", "-y", "fl-app");
    assertEquals(0, install.exit(), () -> install.output() + log());
    String prefix = lastLine(third.spack("location", "-i", "fl-app").succeeded().output());
    Processes.Ended run =
        Processes.run(directory, java.util.Map.of(), List.of(prefix + "/bin/fl-app"));
    assertTrue(run.succeeded().output().startsWith("fl-app "), run.output());
  }

  private SpackWorld first() {
    return java.util.Objects.requireNonNull(first);
  }

  private SpackWorld second() {
    return java.util.Objects.requireNonNull(second);
  }

  private FarmUnderTest farm() {
    return java.util.Objects.requireNonNull(farm);
  }

  private String log() {
    try {
      return farm().logs();
    } catch (java.io.IOException e) {
      return "(no logs: " + e + ")";
    }
  }

  private static String lastLine(String output) {
    return output.strip().lines().reduce("", (before, line) -> line);
  }
}
