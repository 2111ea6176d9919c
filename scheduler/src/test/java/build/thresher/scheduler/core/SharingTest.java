package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What requests share, how they end, and what that does to others. */
class SharingTest {
  private final CoreDriver d = new CoreDriver();

  @BeforeEach
  void oneExecutor() {
    d.register("e");
  }

  @Test
  void aTaskWaitsForItsDependencies() {
    d.submit("r", "alice", task("a", "r"), task("b", "r", "a"));
    Effect.Grant a = d.next("e");
    assertEquals("a", CoreDriver.hash(a));
    assertNull(d.lease("e"));
    d.built(a);
    assertEquals(TaskState.PUBLISHING, d.stateOf("r", "a"));
    assertNull(d.lease("e"), "what is not published is not there");
    d.apply(new Event.PublishDone(a.fence()));
    d.succeed(d.next("e"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
  }

  @Test
  void aRequestOfNothingIsOverAtOnce() {
    d.submit("r", "alice");
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
  }

  @Test
  void requestsShareATask() {
    for (int i = 0; i < 50; i++) {
      d.submit("r" + i, "client" + i, task("a", "r"));
    }
    Effect.Grant a = d.next("e");
    assertNull(d.lease("e"));
    d.succeed(a);
    assertEquals(50, d.finished.size());
    assertTrue(d.finished.values().stream().allMatch(RequestState.SUCCEEDED::equals));
  }

  @Test
  void theSameRequestIdAgainJoins() {
    d.submit("r", "alice", task("a", "r"));
    assertInstanceOf(Reply.Accepted.class, d.submit("r", "alice", task("a", "r")));
    d.next("e");
    assertNull(d.lease("e"));
  }

  @Test
  void aFailureSkipsWhatDependsOnItAndNothingElse() {
    d.submit("r", "alice", task("a", "r"), task("b", "r", "a"), task("c", "r", "b"));
    d.submit("s", "alice", task("x", "r"));
    for (Effect.Grant grant : d.lease("e", 5)) {
      if (CoreDriver.hash(grant).equals("a")) {
        d.fail(grant, FailureClass.RECIPE);
      } else {
        d.succeed(grant);
      }
    }
    assertEquals(TaskState.FAILED, d.stateOf("r", "a"));
    assertEquals(TaskState.SKIPPED, d.stateOf("r", "b"));
    assertEquals("skipped, because a@1.0 failed", d.snapshot("r", "c").phase());
    assertEquals(RequestState.FAILED, d.finished.get("r"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
  }

  @Test
  void failFastStartsNothingMoreButLetsOthersGoOn() {
    d.submit("r", "alice", CoreDriver.FAIL_FAST, task("a", "r"), task("b", "r"), task("c", "r"));
    d.submit("s", "bob", task("c", "r"));
    Effect.Grant a = d.next("e");
    assertEquals("a", CoreDriver.hash(a));
    d.fail(a, FailureClass.RECIPE);
    assertEquals(TaskState.SKIPPED, d.stateOf("r", "b"));
    Effect.Grant c = d.next("e");
    assertEquals("c", CoreDriver.hash(c), "the other request still wants it");
    assertNull(d.lease("e"));
    d.succeed(c);
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
    assertEquals(RequestState.FAILED, d.finished.get("r"));
  }

  @Test
  void cancelByOneOfTwoHarmsNobody() {
    d.submit("r", "alice", task("a", "r"));
    d.submit("s", "bob", task("a", "r"));
    Effect.Grant a = d.next("e");
    d.apply(new Event.Cancel("r"));
    assertEquals(RequestState.CANCELLED, d.finished.get("r"));
    assertTrue(d.killed("e", a).isEmpty());
    d.succeed(a);
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
  }

  @Test
  void cancelByTheLastHolderKillsTheBuild() {
    d.submit("r", "alice", task("a", "r"), task("b", "r", "a"));
    Effect.Grant a = d.next("e");
    d.apply(new Event.Cancel("r"));
    assertEquals(List.of(a.fence()), d.killed("e", a));
    assertInstanceOf(Reply.StaleFence.class, d.built(a));
    assertEquals(TaskState.CANCELLED, d.stateOf("r", "b"));
    assertNull(d.lease("e"));
    assertInstanceOf(Reply.UnknownRequest.class, d.apply(new Event.Cancel("r")));
  }

  @Test
  void whoJoinedWithOtherInputsGetsAnExecutionOfHisOwnWhenItFails() {
    d.submit("r", "alice", task("a", "mine"), task("b", "mine", "a"));
    d.submit("s", "bob", task("a", "his"), task("b", "his", "a"));
    d.fail(d.next("e"), FailureClass.RECIPE);
    assertEquals(RequestState.FAILED, d.finished.get("r"));
    Effect.Grant second = d.next("e");
    assertEquals(CoreDriver.inputs("his"), CoreDriver.inputs(second));
    d.succeed(second);
    Effect.Grant b = d.next("e");
    assertEquals("b", CoreDriver.hash(b));
    assertEquals(CoreDriver.inputs("his"), CoreDriver.inputs(b));
    d.succeed(b);
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
  }

  @Test
  void successServesAllWhateverTheirInputs() {
    d.submit("r", "alice", task("a", "mine"));
    d.submit("s", "bob", task("a", "his"));
    d.succeed(d.next("e"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
  }

  @Test
  void aChainOfTenThousandIsSkippedWithoutRecursion() {
    List<Definition> chain = new ArrayList<>();
    chain.add(task("c0", "r"));
    for (int i = 1; i < 10_000; i++) {
      chain.add(task("c" + i, "r", "c" + (i - 1)));
    }
    d.submit("r", "alice", chain.toArray(new Definition[0]));
    d.fail(d.next("e"), FailureClass.RECIPE);
    Map<TaskState, Integer> count = new HashMap<>();
    Objects.requireNonNull(d.ended.get("r"))
        .values()
        .forEach(t -> count.merge(t.state(), 1, Integer::sum));
    assertEquals(Map.of(TaskState.FAILED, 1, TaskState.SKIPPED, 9_999), count);
  }
}
