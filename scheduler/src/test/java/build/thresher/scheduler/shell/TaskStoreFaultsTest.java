package build.thresher.scheduler.shell;

import static build.thresher.testing.DiskFaults.ALL;
import static build.thresher.testing.DiskFaults.EIO;
import static build.thresher.testing.DiskFaults.ENOSPC;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.scheduler.store.RocksTaskStore;
import build.thresher.scheduler.store.TaskStore;
import build.thresher.testing.DiskFaults;
import build.thresher.testing.DiskFaults.Plan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The task store's disk fails or is full: what was accepted is there afterwards, what failed was
 * not accepted, a disk that works again is used again without a restart, and one that does not is
 * said to be unusable.
 */
class TaskStoreFaultsTest {
  @TempDir Path temp = Path.of("");

  @Test
  void whatWasAcceptedIsThereWhereTheDiskFailsAndItGoesOnWhenTheDiskDoes() throws Exception {
    List<Plan> plans = new ArrayList<>(DiskFaults.everyCall(List.of(4), List.of(1)));
    plans.add(new Plan("fsync", EIO, 3, ALL));
    plans.add(new Plan("write", ENOSPC, 7, 9));
    run(plans);
  }

  @Test
  @Tag("long")
  void whatWasAcceptedIsThereWhereverTheDiskFails() throws Exception {
    run(DiskFaults.everyCall(List.of(0, 1, 4, 15), List.of(1, 4, ALL)));
  }

  private void run(List<Plan> plans) throws Exception {
    DiskFaults faults = DiskFaults.compile(temp);
    int failed = faults.each(plans, temp, (plan, scratch) -> run(plan, faults, scratch));
    assertTrue(failed > 0, "no call failed");
  }

  /** Whether a call failed; the scheduler does not come to each. */
  private static boolean run(Plan plan, DiskFaults faults, Path scratch) throws Exception {
    Path dir = scratch.resolve("tasks");
    Path armed = scratch.resolve("armed");
    List<String> arguments =
        List.of(dir.toString(), armed.toString(), plan.count() == ALL ? "PT2S" : "PT1M");
    DiskFaults.Ran ran = faults.run(FaultyScheduler.class, arguments, scratch, dir, armed, plan);
    List<String> said = ran.said();
    String errors = ran.errors();
    assertEquals(0, ran.exit(), errors);
    boolean failed = ran.failed();
    boolean refused = said.stream().anyMatch(line -> line.startsWith("refused "));
    if (failed && plan.call().equals("fsync")) {
      assertTrue(refused, "accepted after a failed sync");
    }
    boolean forGood = refused && plan.count() == ALL;
    assertEquals("takes events: " + !forGood, said.getLast(), errors);
    try (TaskStore store = RocksTaskStore.at(dir, "default")) {
      store.open();
      for (String line : said) {
        if (line.startsWith("ack ")) {
          String id = line.substring("ack ".length());
          assertTrue(store.finishedRequest(id).isPresent(), id + " was accepted and is lost");
        }
      }
    }
    return failed;
  }
}
