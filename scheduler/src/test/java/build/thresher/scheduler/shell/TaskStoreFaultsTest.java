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
import java.nio.file.Files;
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
    run(
        List.of(
            new Plan("fsync", EIO, 5, 1),
            new Plan("fsync", EIO, 3, ALL),
            new Plan("write", ENOSPC, 7, 9)));
  }

  @Test
  @Tag("long")
  void whatWasAcceptedIsThereWhereverTheDiskFails() throws Exception {
    List<Plan> plans = new ArrayList<>();
    for (String call : List.of("fsync", "write", "create", "rename", "grow")) {
      for (int error : new int[] {EIO, ENOSPC}) {
        for (int after : new int[] {0, 1, 4, 15}) {
          for (int count : new int[] {1, 4, ALL}) {
            plans.add(new Plan(call, error, after, count));
          }
        }
      }
    }
    run(plans);
  }

  private void run(List<Plan> plans) throws Exception {
    DiskFaults faults = DiskFaults.compile(temp);
    int failed = 0;
    for (int i = 0; i < plans.size(); i++) {
      try {
        failed += run(plans.get(i), faults, Files.createDirectory(temp.resolve("run-" + i)));
      } catch (AssertionError e) {
        throw new AssertionError("with the plan " + plans.get(i), e);
      }
    }
    System.out.println(plans.size() + " plans of failing calls, in " + failed + " a call failed");
    assertTrue(failed > 0, "no call failed");
  }

  /** 1 where a call failed, 0 where the scheduler did not come to it. */
  private static int run(Plan plan, DiskFaults faults, Path scratch) throws Exception {
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
    return failed ? 1 : 0;
  }
}
