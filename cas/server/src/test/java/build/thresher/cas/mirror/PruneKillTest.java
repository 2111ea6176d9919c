package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.testing.ChildJvm;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A mirror whose server is killed while it prunes has everything, or can put it back. */
class PruneKillTest {
  @TempDir Path dir;

  @Test
  void whatWasPublishedIsThereOrRestorableAfterKills() throws Exception {
    kill(4);
  }

  @Test
  @Tag("long")
  void whatWasPublishedIsThereOrRestorableAfterAHundredKills() throws Exception {
    kill(100);
  }

  private void kill(int kills) throws Exception {
    long seed = Long.getLong("thresher.seed", System.nanoTime());
    System.out.println("replay with -Dthresher.seed=" + seed);
    Random random = new Random(seed);
    ChildJvm jvm = ChildJvm.with(dir);
    for (int kill = 0; kill < kills; kill++) {
      // The first seven lines say that everything was published once.
      int left = 7 + random.nextInt(30);
      Process pruner = start(jvm);
      try (BufferedReader lines = pruner.inputReader(StandardCharsets.UTF_8)) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          if (--left == 0) {
            pruner.toHandle().destroyForcibly();
          }
        }
      }
      assertEquals(128 + 9, pruner.waitFor(), "the pruner ended otherwise than by the kill");
      check();
    }
  }

  private void check() throws Exception {
    try (RocksBlobStore blobs = KilledPublisher.blobs(dir);
        RocksSpackMirror mirror = KilledPublisher.mirror(dir, blobs, 1)) {
      String instance = KilledPruner.INSTANCE;
      assertTrue(blobs.isAfterCrash());
      PinCheck.run(blobs, mirror, List.of());
      Set<DagHash> listed = PublishedState.requireWhole(mirror, blobs, instance);
      Closure closure = Closure.load(instance, mirror.db());
      Set<DagHash> needed = closure.of(listed, false);
      needed.removeAll(listed);
      Set<DagHash> restorable = new HashSet<>();
      Retention retention = KilledPruner.retention(mirror);
      retention.pruned(instance).forEach(p -> restorable.add(p.spec().hash()));
      needed.retainAll(restorable);
      assertEquals(Set.of(), needed, "taken from below what needs it");
      retention.restore(instance, List.of(), true);
      assertEquals(7, PublishedState.requireWhole(mirror, blobs, instance).size());
      assertTrue(retention.pruned(instance).size() <= restorable.size());
    }
  }

  private Process start(ChildJvm jvm) throws Exception {
    return jvm.of(KilledPruner.class, List.of(dir.toString()))
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }
}
