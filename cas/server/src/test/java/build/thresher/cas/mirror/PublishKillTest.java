package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.store.RocksBlobStore;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A mirror whose server is killed while it publishes is never half written, neither for those who
 * read meanwhile nor for those who read afterwards.
 */
class PublishKillTest {
  private static final int INSTANCES = 40;

  @TempDir Path dir;
  private final Map<String, Set<DagHash>> acknowledged = new HashMap<>();
  private int foundWhole;

  @Test
  void whatWasPublishedSurvivesKillsAndNothingIsTorn() throws Exception {
    kill(5);
  }

  @Test
  @Tag("long")
  void whatWasPublishedSurvivesFiveHundredKills() throws Exception {
    kill(500);
  }

  private void kill(int kills) throws Exception {
    long seed = Long.getLong("thresher.seed", System.nanoTime());
    System.out.println("replay with -Dthresher.seed=" + seed);
    Random random = new Random(seed);
    for (int kill = 0; kill < kills; kill++) {
      int left = 1 + random.nextInt(60);
      Process publisher = start(kill * 7 % INSTANCES);
      try (BufferedReader lines = publisher.inputReader(StandardCharsets.UTF_8)) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          if (line.matches("i\\d+ [a-z2-7]{32}")) {
            String[] words = line.split(" ", 2);
            acknowledged.computeIfAbsent(words[0], i -> new HashSet<>()).add(new DagHash(words[1]));
            left--;
          } else if (line.startsWith("read ")) {
            foundWhole += Integer.parseInt(line.substring(5));
          }
          if (left == 0) {
            // Through the handle, so that what is in the pipe can still be read.
            publisher.toHandle().destroyForcibly();
          }
        }
      }
      assertEquals(128 + 9, publisher.waitFor(), "the publisher ended otherwise than by the kill");
      check();
    }
    System.out.println(kills + " kills; readers found " + foundWhole + " specs whole meanwhile");
    assertTrue(foundWhole > 0, "no reader found anything");
  }

  private void check() throws Exception {
    try (RocksBlobStore blobs = KilledPublisher.blobs(dir);
        RocksSpackMirror mirror = KilledPublisher.mirror(dir, blobs, INSTANCES)) {
      for (int i = 0; i < INSTANCES; i++) {
        String instance = "i" + i;
        Set<DagHash> seen = PublishedState.requireWhole(mirror, blobs, instance);
        assertTrue(seen.containsAll(acknowledged.getOrDefault(instance, Set.of())), instance);
      }
      List<BuiltSpec> all = SpackFixture.builtSpecs(blobs);
      for (BuiltSpec built : all) {
        mirror.publish("i0", built);
        acknowledged.computeIfAbsent("i0", i -> new HashSet<>()).add(built.node().hash());
      }
      assertEquals(all.size(), PublishedState.requireWhole(mirror, blobs, "i0").size());
    }
  }

  private Process start(int firstInstance) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-Xmx512m"));
    command.addAll(List.of("-XX:TieredStopAtLevel=1"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(KilledPublisher.class.getName(), dir.toString()));
    command.addAll(List.of("" + INSTANCES, "" + firstInstance));
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
  }
}
