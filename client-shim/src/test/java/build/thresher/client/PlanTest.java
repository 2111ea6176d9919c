package build.thresher.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlanTest {
  @TempDir private Path directory = Path.of("");

  @Test
  void readsWhatTheExtensionWrites() throws Exception {
    Plan plan = Plan.read(Farmed.plan(directory));

    assertEquals(Farmed.HASH, plan.roots().getFirst());
    assertEquals("lib", plan.trees().core().getFirst().path());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          "version":1         | "version":2                 | version
          "version":1         | "version":1,"version":1     | Duplicate
          "version":1         | "version":1,"surprise":1    | surprise
          "path":"lib"        | "path":"../lib"             | plain relative path
          "path":"lib"        | "path":"/lib"               | plain relative path
          "path":"lib"        | "path":"a//b"               | plain relative path
          "path":"lib",       | "path":null,                | path
          "recipes":[]        | "recipes":[null]            | recipes
          "recipes":[],       | ``                          | recipes
          "build_jobs":0      | "build_jobs":-1             | build_jobs
          "sources":[]}]      | "sources":[{"sha256":"x"}]}] | sha256
          "sources":[]}]      | "sources":[{"urls":[]}]}]   | unsupported
          "hash":"a           | "hash":"A                   | base32
          """)
  void refusesWithAReason(String old, String changed, String reason) throws Exception {
    Path file = Farmed.plan(directory);
    String text = Files.readString(file);
    assertTrue(text.contains(old));
    Files.writeString(file, text.replace(old, changed));

    ClientException refused = assertThrows(ClientException.class, () -> Plan.read(file));

    assertEquals(ClientException.REFUSED, refused.exitCode());
    assertTrue(String.valueOf(refused.getMessage()).contains(reason), refused.getMessage());
  }

  @Test
  void anyDamageIsRefusedOrStillAPlan() throws Exception {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    byte[] good = Files.readAllBytes(Farmed.plan(directory));
    Path file = directory.resolve("damaged.json");
    for (int i = 0; i < 1_000; i++) {
      byte[] damaged = good.clone();
      for (int n = random.nextInt(4); n >= 0; n--) {
        damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
      }
      Files.write(file, damaged);
      try {
        Plan.read(file);
      } catch (ClientException e) {
        assertEquals(ClientException.REFUSED, e.exitCode(), "seed " + seed);
      }
    }
  }

  @Test
  void deepNestingIsRefused() throws Exception {
    Path file = directory.resolve("deep.json");
    Files.writeString(file, "[".repeat(100_000));

    assertThrows(ClientException.class, () -> Plan.read(file));
  }

  @Test
  void twoEntriesOfOnePathAreRefused() throws Exception {
    Path file = Farmed.plan(directory);
    String from = directory.resolve("tree/a.py").toString();
    Files.writeString(
        file,
        Files.readString(file)
            .replace(
                "\"recipes\":[]",
                "\"recipes\":[{\"path\":\"a\",\"from\":\"%s\"},{\"path\":\"a\",\"from\":\"%s\"}]"
                    .formatted(from, from)));
    try (ScriptedFarm farm = new ScriptedFarm()) {
      Farmed.Ran ran = Farmed.run(farm, "build", file.toString());

      assertEquals(3, ran.exitCode());
      assertTrue(ran.err().contains("make no tree"), ran.err());
    }
  }

  @Test
  void planComesThroughAPipe() throws Exception {
    byte[] plan = Files.readAllBytes(Farmed.plan(directory));
    Path pipe = directory.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    Thread writer = Thread.ofVirtual().start(() -> write(pipe, plan));

    assertEquals(List.of(Farmed.HASH), Plan.read(pipe).roots());
    writer.join();
  }

  private static void write(Path file, byte[] text) {
    try {
      Files.write(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
