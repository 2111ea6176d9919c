package build.thresher.scheduler.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.scheduler.shell.Waiting.Hurry;
import java.util.List;
import org.junit.jupiter.api.Test;

class WaitingTest {
  private static final long PATIENCE = Waiting.PATIENCE.toNanos();

  private final Waiting<String> waiting = new Waiting<>();

  @Test
  void whereNothingMayWaitAllGoesInOrder() {
    waiting.add("submit", Hurry.NONE, 0);
    waiting.add("lease", Hurry.OVERTAKES, 0);
    waiting.add("renew", Hurry.IN_ORDER, 0);
    assertEquals(List.of("submit", "lease", "renew"), waiting.take(false));
    assertTrue(waiting.isEmpty());
  }

  @Test
  void whoAsksForWorkOvertakesWhatWaits() {
    waiting.add("submit", Hurry.NONE, 0);
    waiting.add("lease", Hurry.OVERTAKES, 1);
    waiting.add("complete", Hurry.NONE, 2);
    assertEquals(List.of("lease"), waiting.take(true));
    assertEquals(List.of(), waiting.take(true));
    assertEquals(List.of("submit", "complete"), waiting.take(false));
  }

  @Test
  void nothingElseOvertakes() {
    waiting.add("complete", Hurry.NONE, 0);
    waiting.add("register", Hurry.IN_ORDER, 1);
    waiting.add("submit", Hurry.NONE, 2);
    assertEquals(List.of("complete", "register", "submit"), waiting.take(true));
  }

  @Test
  void patienceIsThatOfTheOldest() {
    waiting.add("one", Hurry.NONE, 100);
    waiting.add("two", Hurry.NONE, 200);
    assertEquals(PATIENCE, waiting.leftNanos(100));
    assertEquals(PATIENCE - 200, waiting.leftNanos(300));
    assertEquals(0, waiting.leftNanos(100 + 2 * PATIENCE));
    waiting.take(false);
    waiting.add("three", Hurry.NONE, 2 * PATIENCE);
    assertEquals(PATIENCE, waiting.leftNanos(2 * PATIENCE));
  }
}
