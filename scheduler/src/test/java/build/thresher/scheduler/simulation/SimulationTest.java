package build.thresher.scheduler.simulation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.store.RocksTaskStore;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Many histories. A failing one prints the command that replays it; {@code -Dsimulation.seed=N}
 * runs that one alone.
 */
class SimulationTest {
  private static final int PACKAGES = 60;
  private static final int ORDERS = 25;

  @Test
  void whateverDiesEveryAcceptedRequestEndsOnceAndAlikeForAllWhoWait() {
    Long only = Long.getLong("simulation.seed");
    if (only != null) {
      System.out.println(Simulation.storm(only, PACKAGES, ORDERS));
    } else {
      storms(Integer.getInteger("simulation.histories", 100));
    }
  }

  @Test
  @Tag("long")
  void whateverDiesInManyHistories() {
    storms(Integer.getInteger("simulation.histories", 20_000));
  }

  @Test
  void whereNothingFailsEverythingSucceedsAndNothingRunsTwice() {
    long first = new Random().nextLong();
    for (int i = 0; i < 10; i++) {
      Simulation.Report report = Simulation.calm(first + i, PACKAGES, 60);
      assertTrue(
          report.ended().values().stream().allMatch(RequestState.SUCCEEDED::equals),
          () -> report.ended().toString());
      assertEquals(60, report.ended().size());
    }
  }

  @Test
  void oneSeedGivesOneHistory() {
    for (long seed = 0; seed < 5; seed++) {
      assertEquals(
          Simulation.storm(seed, PACKAGES, ORDERS), Simulation.storm(seed, PACKAGES, ORDERS));
    }
  }

  /** What the real store writes and reads again at each start is what the rules were told. */
  @Test
  void theRealStoreGivesTheSameHistories(@TempDir Path scratch) throws Exception {
    Path memory = Path.of("/dev/shm"); // where there is one: each batch is synced
    Path parent =
        Files.isWritable(memory) ? Files.createTempDirectory(memory, "simulation") : scratch;
    try {
      long first = Long.getLong("simulation.seed", new Random().nextLong());
      for (long seed = first; seed < first + Integer.getInteger("simulation.stored", 5); seed++) {
        Path directory = parent.resolve("" + seed);
        assertEquals(
            Simulation.storm(seed, PACKAGES, ORDERS),
            Simulation.storm(seed, PACKAGES, ORDERS, () -> RocksTaskStore.at(directory, "default")),
            "replay with -Dsimulation.seed=" + seed);
      }
    } finally {
      MoreFiles.deleteRecursively(parent, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  private static void storms(int histories) {
    long first = new Random().nextLong();
    long tasks = 0;
    long waiters = 0;
    int serverStarts = 0;
    int kills = 0;
    int madeAgain = 0;
    ThreadMXBean processor = ManagementFactory.getThreadMXBean();
    long began = processor.getCurrentThreadCpuTime();
    for (int i = 0; i < histories; i++) {
      long seed = first + i;
      try {
        Simulation.Report report = Simulation.storm(seed, PACKAGES, ORDERS);
        tasks += report.tasks();
        waiters += report.waiters();
        serverStarts += report.serverStarts();
        kills += report.executorKills();
        madeAgain += report.madeAgain();
      } catch (AssertionError e) {
        throw new AssertionError(
            "replay: mvn -pl scheduler -am test -Dtest=SimulationTest"
                + " -Dsurefire.failIfNoSpecifiedTests=false -Dsimulation.seed="
                + seed,
            e);
      }
    }
    double seconds = (processor.getCurrentThreadCpuTime() - began) / 1e9;
    System.out.printf(
        "%d histories from seed %d: %d tasks, %d answers to waiters, %d starts of the server,"
            + " %d executors killed, %d times something lost was made again; %.0f tasks a second"
            + " of one processor%n",
        histories, first, tasks, waiters, serverStarts, kills, madeAgain, tasks / seconds);
  }
}
