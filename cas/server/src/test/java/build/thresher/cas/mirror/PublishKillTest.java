package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.testing.ChildJvm;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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
    kill(50);
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
    ChildJvm jvm = ChildJvm.with(dir);
    for (int kill = 0; kill < kills; kill++) {
      int left = 1 + random.nextInt(25);
      Process publisher = start(jvm, kill * 7 % INSTANCES);
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

  private Process start(ChildJvm jvm, int firstInstance) throws Exception {
    List<String> arguments = List.of(dir.toString(), "" + INSTANCES, "" + firstInstance);
    return jvm.of(KilledPublisher.class, arguments)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }
}
