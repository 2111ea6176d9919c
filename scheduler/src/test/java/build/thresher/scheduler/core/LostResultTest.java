package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What was made and is gone is made again, and whoever needs it waits. */
class LostResultTest {
  private final CoreDriver d = new CoreDriver();

  @BeforeEach
  void oneExecutor() {
    d.register("e");
  }

  private Effect.Grant lease() {
    return Objects.requireNonNull(d.lease("e"), "a lease");
  }

  private static String hash(Effect.Grant grant) {
    return grant.definition().key().hash();
  }

  @Test
  void aResultThatWasThereBeforeIsMadeAgainAndItsConsumerWaits() {
    d.submit("r", "alice", task("b", "r"));
    d.lost(lease(), task("a", "r"));
    assertEquals(TaskState.WAITING, d.stateOf("r", "b"));
    assertEquals(TaskState.READY, d.stateOf("r", "a"));
    Effect.Grant a = lease();
    assertEquals("a", hash(a));
    assertNull(d.lease("e"));
    d.succeed(a);
    d.succeed(lease());
    assertEquals(TaskState.SUCCEEDED, d.stateOf("r", "b"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
  }

  @Test
  void aResultThatTheRequestMadeItselfIsMadeAgain() {
    d.submit("r", "alice", task("a", "r"), task("b", "r", "a"));
    d.succeed(lease());
    d.lost(lease(), task("a", "r"));
    d.succeed(lease());
    d.succeed(lease());
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
  }

  @Test
  void severalLostResultsAreMadeInTheirOrder() {
    d.submit("r", "alice", task("c", "r"));
    d.lost(lease(), task("a", "r"), task("b", "r", "a"));
    Effect.Grant a = lease();
    assertEquals("a", hash(a));
    assertNull(d.lease("e"));
    d.succeed(a);
    Effect.Grant b = lease();
    assertEquals("b", hash(b));
    d.succeed(b);
    assertEquals("c", hash(lease()));
  }

  @Test
  void twoConsumersOfOneLostResultWaitForOneExecution() {
    d.submit("r", "alice", task("b", "r"));
    d.submit("s", "bob", task("c", "r"));
    Effect.Grant first = lease();
    Effect.Grant second = lease();
    d.lost(first, task("a", "r"));
    d.lost(second, task("a", "r"));
    d.succeed(lease());
    d.succeed(lease());
    d.succeed(lease());
    assertNull(d.lease("e"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
  }

  @Test
  void aConsumerThatLosesAtEachAttemptFailsInTheEnd() {
    d.submit("r", "alice", task("b", "r"));
    for (int i = 0; i < 2; i++) {
      d.lost(lease(), task("a", "r"));
      d.succeed(lease());
    }
    d.lost(lease(), task("a", "r"));
    assertEquals(TaskState.FAILED, d.stateOf("r", "b"));
    assertEquals(RequestState.FAILED, d.finished.get("r"));
  }

  @Test
  void whenWhatWasLostCannotBeMadeAgainItsConsumerIsSkipped() {
    d.submit("r", "alice", task("b", "r"));
    d.lost(lease(), task("a", "r"));
    d.fail(lease(), FailureClass.RECIPE);
    assertEquals(TaskState.SKIPPED, d.stateOf("r", "b"));
    assertEquals(RequestState.FAILED, d.finished.get("r"));
  }

  @Test
  void cancellingTheRequestEndsWhatWasReopenedForIt() {
    d.submit("r", "alice", task("b", "r"));
    d.lost(lease(), task("a", "r"));
    d.apply(new Event.Cancel("r"));
    assertNull(d.lease("e"));
    assertEquals(new CoreView.Counts(0, 0, 0, 0, 0), d.core.view().counts());
  }

  @Test
  void aReportUnderAnOldFenceReopensNothing() {
    d.submit("r", "alice", task("b", "r"));
    Effect.Grant b = lease();
    d.succeed(b);
    assertEquals(new Reply.StaleFence(), d.lost(b, task("a", "r")));
  }
}
