package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Attempts that come to nothing, and what is remembered of them. */
class AttemptsTest {
  private final CoreDriver d = new CoreDriver();

  @BeforeEach
  void oneExecutor() {
    d.register("e");
  }

  @Test
  void anExpiredLeaseGoesToAnotherAndItsFenceIsVoid() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant first = d.next("e");
    d.pass(Duration.ofSeconds(29));
    d.killed("e", first);
    d.pass(Duration.ofSeconds(29));
    assertEquals(TaskState.LEASED, d.stateOf("r", "a"), "it was renewed");
    d.pass(Duration.ofSeconds(2));
    Effect.Grant second = d.next("e");
    assertEquals(2, second.fence().attempt());
    assertInstanceOf(Reply.StaleFence.class, d.built(first));
    assertEquals(List.of(first.fence()), d.killed("e", first));
    d.succeed(second);
    assertEquals(TaskState.SUCCEEDED, d.stateOf("r", "a"));
    assertInstanceOf(Reply.StaleFence.class, d.built(first));
  }

  @Test
  void aPoisonTaskEndsAfterThreeAttempts() {
    d.submit("r", "alice", task("a", "r"));
    for (int i = 0; i < 3; i++) {
      d.next("e");
      d.pass(Duration.ofSeconds(31));
    }
    assertNull(d.lease("e"));
    TaskSnapshot a = d.snapshot("r", "a");
    assertEquals(TaskState.FAILED, a.state());
    assertTrue(Objects.requireNonNull(a.ending().failure()).message().contains("3 attempts"));
    assertTrue(d.remembered.isEmpty(), "the farm's own faults are never remembered");
  }

  @Test
  void outOfMemoryIsTriedAgainWithTwiceAsMuch() {
    d.submit("r", "alice", task("a", "r"));
    d.fail(d.next("e"), FailureClass.OUT_OF_MEMORY);
    Effect.Grant second = d.next("e");
    assertEquals(200, second.memoryLimitBytes());
    d.fail(second, FailureClass.OUT_OF_MEMORY);
    assertEquals(400, d.next("e").memoryLimitBytes());
  }

  @Test
  void anExecutorThatRestartedLostItsLeases() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant first = d.next("e");
    ExecutorId again = new ExecutorId("e", "second life");
    d.apply(new Event.Register(again, 1, CoreDriver.LINUX, ImmutableList.of()));
    assertEquals(TaskState.READY, d.stateOf("r", "a"));
    assertInstanceOf(Reply.StaleFence.class, d.built(first));
    assertInstanceOf(
        Reply.UnknownExecutor.class,
        d.apply(new Event.Renew(CoreDriver.executor("e"), ImmutableList.of())));
  }

  @Test
  void aLeaseThatWasNotHandedOverCostsNoAttempt() {
    d.submit("r", "alice", task("a", "r"));
    for (int i = 0; i < 10; i++) {
      d.apply(new Event.Undelivered(d.next("e").fence()));
    }
    assertEquals(0, d.snapshot("r", "a").spent());
    assertEquals(11, d.next("e").fence().attempt());
  }

  @Test
  void aTrueFailureIsRememberedForTheSameInputsOnly() {
    d.submit("r", "alice", task("a", "r"));
    d.fail(d.next("e"), FailureClass.RECIPE);
    d.submit("s", "bob", task("a", "r"), task("b", "r", "a"));
    Failure failure = Objects.requireNonNull(d.snapshot("s", "a").ending().failure());
    assertTrue(failure.remembered());
    assertEquals(TaskState.SKIPPED, d.stateOf("s", "b"));
    assertEquals(RequestState.FAILED, d.finished.get("s"));
    d.submit("t", "bob", task("a", "other recipes"));
    d.succeed(d.next("e"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("t"));
    d.submit("u", "bob", CoreDriver.RETRY, task("a", "r"));
    assertNotNull(d.lease("e"));
  }

  @Test
  void aFailureOnOtherExecutorsDoesNotCount() {
    d.submit("r", "alice", task("a", "r"));
    d.fail(d.next("e"), FailureClass.RECIPE);
    Capabilities other =
        new Capabilities(
            "linux",
            "debian12",
            "x86_64_v3",
            CoreDriver.LINUX.compatibleTargets(),
            ImmutableList.of(),
            ImmutableMap.of(),
            "another sandbox",
            0,
            1,
            ImmutableSet.of(),
            ImmutableSet.of());
    d.apply(new Event.Register(CoreDriver.executor("f"), 1, other, ImmutableList.of()));
    d.submit("s", "bob", task("a", "r"));
    assertNotNull(d.lease("f"));
  }
}
