package build.thresher.cas.store;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.collect.Multiset;
import com.google.common.collect.TreeMultiset;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Puts, uses, leases, pins, deletions, results and restarts in any order, in a store that has to
 * evict all the time: what the store promised is there after each step, and what it refuses has no
 * room. Prints its seed; {@code -Dpromises.seed=N -Dpromises.steps=N} replays one walk.
 */
final class PromisesWalkTest {
  @TempDir Path temp;

  @Test
  void whatWasPromisedIsThereAfterEachStep() throws Exception {
    walk(4, Integer.getInteger("promises.steps", 3_000));
  }

  @Test
  @Tag("long")
  void whatWasPromisedIsThereAfterEachOfAMillionSteps() throws Exception {
    walk(100, 10_000);
  }

  private void walk(int walks, int steps) throws IOException {
    long seed = Long.getLong("promises.seed", System.nanoTime());
    Multiset<String> counts = TreeMultiset.create();
    for (int i = 0; i < walks; i++) {
      try (PromisesWalk walk = new PromisesWalk(temp.resolve("store-" + i), seed + i, counts)) {
        walk.run(steps);
      } catch (AssertionError | IOException | RuntimeException e) {
        throw new AssertionError("replay with -Dpromises.seed=" + (seed + i), e);
      }
    }
    System.out.println(walks * steps + " steps: " + counts);
    for (String each : new String[] {"refused for want of room", "read in vain", "leased"}) {
      assertTrue(counts.count(each) > 20, () -> "hardly ever " + each + ": " + counts);
    }
    assertTrue(counts.count("result found") > 20, () -> "hardly a result was found: " + counts);
  }
}
