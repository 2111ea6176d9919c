package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.needing;
import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The rules, one by one, with virtual time. */
class CoreTest {
  private static final RequestHead.Options FAIL_FAST = new RequestHead.Options(true, false, 0);
  private static final RequestHead.Options RETRY = new RequestHead.Options(false, true, 0);

  private final CoreDriver d = new CoreDriver();

  @BeforeEach
  void oneExecutor() {
    d.register("e");
  }

  private Effect.Grant lease() {
    return Objects.requireNonNull(d.lease("e"), "a lease");
  }

  private static Inputs inputs(Effect.Grant grant) {
    return ((SpackWork) grant.definition().work()).inputs();
  }

  private static String hash(Effect.Grant grant) {
    return grant.definition().key().hash();
  }

  @Test
  void aTaskWaitsForItsDependencies() {
    d.submit("r", "alice", task("a", "r"), task("b", "r", "a"));
    Effect.Grant a = lease();
    assertEquals("a", hash(a));
    assertNull(d.lease("e"));
    d.built(a);
    assertEquals(TaskState.PUBLISHING, d.stateOf("r", "a"));
    assertNull(d.lease("e"), "what is not published is not there");
    d.apply(new Event.PublishDone(a.fence()));
    d.succeed(lease());
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
    Effect.Grant a = lease();
    assertNull(d.lease("e"));
    d.succeed(a);
    assertEquals(50, d.finished.size());
    assertTrue(d.finished.values().stream().allMatch(RequestState.SUCCEEDED::equals));
  }

  @Test
  void theSameRequestIdAgainJoins() {
    d.submit("r", "alice", task("a", "r"));
    assertInstanceOf(Reply.Accepted.class, d.submit("r", "alice", task("a", "r")));
    lease();
    assertNull(d.lease("e"));
  }

  @Test
  void aFailureSkipsWhatDependsOnItAndNothingElse() {
    d.submit("r", "alice", task("a", "r"), task("b", "r", "a"), task("c", "r", "b"));
    d.submit("s", "alice", task("x", "r"));
    for (Effect.Grant grant : d.lease("e", 5)) {
      if (hash(grant).equals("a")) {
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
    d.submit("r", "alice", FAIL_FAST, task("a", "r"), task("b", "r"), task("c", "r"));
    d.submit("s", "bob", task("c", "r"));
    Effect.Grant a = lease();
    assertEquals("a", hash(a));
    d.fail(a, FailureClass.RECIPE);
    assertEquals(TaskState.SKIPPED, d.stateOf("r", "b"));
    Effect.Grant c = lease();
    assertEquals("c", hash(c), "the other request still wants it");
    assertNull(d.lease("e"));
    d.succeed(c);
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
    assertEquals(RequestState.FAILED, d.finished.get("r"));
  }

  @Test
  void cancelByOneOfTwoHarmsNobody() {
    d.submit("r", "alice", task("a", "r"));
    d.submit("s", "bob", task("a", "r"));
    Effect.Grant a = lease();
    d.apply(new Event.Cancel("r"));
    assertEquals(RequestState.CANCELLED, d.finished.get("r"));
    assertTrue(killed(a).isEmpty());
    d.succeed(a);
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
  }

  @Test
  void cancelByTheLastHolderKillsTheBuild() {
    d.submit("r", "alice", task("a", "r"), task("b", "r", "a"));
    Effect.Grant a = lease();
    d.apply(new Event.Cancel("r"));
    assertEquals(List.of(a.fence()), killed(a));
    assertInstanceOf(Reply.StaleFence.class, d.built(a));
    assertEquals(TaskState.CANCELLED, d.stateOf("r", "b"));
    assertNull(d.lease("e"));
    assertInstanceOf(Reply.UnknownRequest.class, d.apply(new Event.Cancel("r")));
  }

  private List<Fence> killed(Effect.Grant grant) {
    Reply reply =
        d.apply(
            new Event.Renew(
                CoreDriver.executor("e"),
                ImmutableList.of(new Event.Progress(grant.fence(), "build"))));
    return ((Reply.Renewed) reply).kill();
  }

  @Test
  void anExpiredLeaseGoesToAnotherAndItsFenceIsVoid() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant first = lease();
    d.pass(Duration.ofSeconds(29));
    killed(first);
    d.pass(Duration.ofSeconds(29));
    assertEquals(TaskState.LEASED, d.stateOf("r", "a"), "it was renewed");
    d.pass(Duration.ofSeconds(2));
    Effect.Grant second = lease();
    assertEquals(2, second.fence().attempt());
    assertInstanceOf(Reply.StaleFence.class, d.built(first));
    assertEquals(List.of(first.fence()), killed(first));
    d.succeed(second);
    assertEquals(TaskState.SUCCEEDED, d.stateOf("r", "a"));
    assertInstanceOf(Reply.StaleFence.class, d.built(first));
  }

  @Test
  void aPoisonTaskEndsAfterThreeAttempts() {
    d.submit("r", "alice", task("a", "r"));
    for (int i = 0; i < 3; i++) {
      lease();
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
    d.fail(lease(), FailureClass.OUT_OF_MEMORY);
    Effect.Grant second = lease();
    assertEquals(200, second.memoryLimitBytes());
    d.fail(second, FailureClass.OUT_OF_MEMORY);
    assertEquals(400, lease().memoryLimitBytes());
  }

  @Test
  void anExecutorThatRestartedLostItsLeases() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant first = lease();
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
      d.apply(new Event.Undelivered(lease().fence()));
    }
    assertEquals(0, d.snapshot("r", "a").spent());
    assertEquals(11, lease().fence().attempt());
  }

  @Test
  void aTrueFailureIsRememberedForTheSameInputsOnly() {
    d.submit("r", "alice", task("a", "r"));
    d.fail(lease(), FailureClass.RECIPE);
    d.submit("s", "bob", task("a", "r"), task("b", "r", "a"));
    Failure failure = Objects.requireNonNull(d.snapshot("s", "a").ending().failure());
    assertTrue(failure.remembered());
    assertEquals(TaskState.SKIPPED, d.stateOf("s", "b"));
    assertEquals(RequestState.FAILED, d.finished.get("s"));
    d.submit("t", "bob", task("a", "other recipes"));
    d.succeed(lease());
    assertEquals(RequestState.SUCCEEDED, d.finished.get("t"));
    d.submit("u", "bob", RETRY, task("a", "r"));
    assertNotNull(d.lease("e"));
  }

  @Test
  void aFailureOnOtherExecutorsDoesNotCount() {
    d.submit("r", "alice", task("a", "r"));
    d.fail(lease(), FailureClass.RECIPE);
    Capabilities other =
        new Capabilities(
            "linux",
            "debian12",
            "x86_64_v3",
            CoreDriver.LINUX.compatibleTargets(),
            ImmutableList.of(),
            ImmutableMap.of(),
            "plain",
            0,
            1,
            ImmutableSet.of(),
            ImmutableSet.of());
    d.apply(new Event.Register(CoreDriver.executor("f"), 1, other, ImmutableList.of()));
    d.submit("s", "bob", task("a", "r"));
    assertNotNull(d.lease("f"));
  }

  @Test
  void whoJoinedWithOtherInputsGetsAnExecutionOfHisOwnWhenItFails() {
    d.submit("r", "alice", task("a", "mine"), task("b", "mine", "a"));
    d.submit("s", "bob", task("a", "his"), task("b", "his", "a"));
    d.fail(lease(), FailureClass.RECIPE);
    assertEquals(RequestState.FAILED, d.finished.get("r"));
    Effect.Grant second = lease();
    assertEquals(CoreDriver.inputs("his"), inputs(second));
    d.succeed(second);
    Effect.Grant b = lease();
    assertEquals("b", hash(b));
    assertEquals(CoreDriver.inputs("his"), inputs(b));
    d.succeed(b);
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
  }

  @Test
  void successServesAllWhateverTheirInputs() {
    d.submit("r", "alice", task("a", "mine"));
    d.submit("s", "bob", task("a", "his"));
    d.succeed(lease());
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
  }

  @Test
  void aLongChainStartsBeforeShortLeaves() {
    List<Definition> tasks = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      tasks.add(task("leaf" + i, "r"));
    }
    tasks.add(task("c1", "r"));
    tasks.add(task("c2", "r", "c1"));
    tasks.add(task("c3", "r", "c2"));
    d.submit("r", "alice", tasks.toArray(new Definition[0]));
    assertEquals("c1", hash(lease()));
  }

  @Test
  void theOrderFollowsWhatBuildsTook() {
    Definition[] tasks = {
      task("slow", "r"), task("c1", "r"), task("c2", "r", "c1"), task("end", "r", "slow", "c2")
    };
    d.submit("r", "alice", tasks);
    assertEquals("c1", hash(d.lease("e", 1).getFirst()), "of unknown lengths, the longer chain");
    d.apply(new Event.Cancel("r"));
    d.submit("s", "alice", task("slow", "r"));
    d.succeed(lease(), Duration.ofMinutes(10));
    d.submit("t", "alice", tasks);
    assertEquals("slow", hash(lease()), "it took ten minutes last time");
  }

  @Test
  void aClientWithAThousandTasksDelaysAnotherByNoMoreThanTheRunningOnes() {
    List<Definition> many = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      many.add(task("m" + i, "r"));
    }
    d.submit("r", "greedy", many.toArray(new Definition[0]));
    List<Effect.Grant> running = new ArrayList<>(d.lease("e", 8));
    assertEquals(8, running.size());
    d.submit("s", "modest", task("x", "r"), task("y", "r"));
    d.succeed(running.removeFirst());
    Effect.Grant next = lease();
    assertEquals("modest", next.client(), "the next free slot");
    d.succeed(running.removeFirst());
    assertEquals("modest", lease().client(), "and the one after, until it runs as many");
  }

  @Test
  void priorityOrdersWithinAClient() {
    d.submit("r", "alice", task("a", "r"));
    d.submit("s", "alice", new RequestHead.Options(false, false, 5), task("b", "r"));
    assertEquals("b", hash(lease()));
  }

  @Test
  void withoutAnExecutorThatCouldRunItATaskFailsWithTheReason() {
    Requirements needs =
        new SpackRequirements(
            "linux",
            "debian12",
            new SpackRequirements.Target("x86_64_v3", ImmutableSet.of()),
            ImmutableSortedSet.of(new SpackRequirements.External("gcc", "14", "/usr")),
            ImmutableMap.of());
    d.submit("r", "alice", needing(task("a", "r"), needs));
    Failure failure = Objects.requireNonNull(d.snapshot("r", "a").ending().failure());
    assertEquals(FailureClass.UNSCHEDULABLE, failure.failureClass());
    assertTrue(failure.message().contains("gcc@14 at /usr"), failure.message());
  }

  @Test
  void beforeAnyExecutorRegisteredATaskWaitsAndSaysWhy() {
    CoreDriver alone = new CoreDriver();
    alone.submit("r", "alice", task("a", "r"));
    alone.pass(Duration.ofSeconds(59));
    assertEquals(TaskState.READY, alone.stateOf("r", "a"));
    assertEquals("no executor is registered", alone.snapshot("r", "a").phase());
    alone.pass(Duration.ofSeconds(2));
    assertEquals(TaskState.FAILED, alone.stateOf("r", "a"));
  }

  @Test
  void aParkedPollIsAnsweredWhenSomethingBecomesReadyOrItsTimeIsUp() {
    long poll = d.park("e", 1);
    assertFalse(d.answers.containsKey(poll));
    d.submit("r", "alice", task("a", "r"));
    assertEquals(1, Objects.requireNonNull(d.answers.get(poll)).size());
    long second = d.park("e", 1);
    d.pass(Duration.ofSeconds(31));
    assertTrue(Objects.requireNonNull(d.answers.get(second)).size() <= 1);
  }

  @Test
  void aRefusedArchiveFailsTheTaskAndIsRemembered() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant a = lease();
    d.built(a);
    d.apply(
        new Event.PublishRefused(
            a.fence(), new Failure(FailureClass.INPUT, "an entry outside its prefix")));
    assertEquals(TaskState.FAILED, d.stateOf("r", "a"));
    assertEquals(1, d.remembered.size());
  }

  @Test
  void whatCouldNotBePublishedNowIsPublishedLater() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant a = lease();
    d.built(a);
    d.apply(new Event.PublishFailed(a.fence(), "no room"));
    d.effects.clear();
    d.pass(Duration.ofSeconds(3));
    assertTrue(d.effects.stream().anyMatch(Effect.Publish.class::isInstance));
    d.apply(new Event.PublishDone(a.fence()));
    assertEquals(TaskState.SUCCEEDED, d.stateOf("r", "a"));
  }

  @Test
  void completingTwiceIsCompletingOnce() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant a = lease();
    d.built(a);
    assertInstanceOf(Reply.Done.class, d.built(a));
    long publishes = d.effects.stream().filter(Effect.Publish.class::isInstance).count();
    assertEquals(1, publishes);
  }

  @Test
  void aChainOfTenThousandIsSkippedWithoutRecursion() {
    List<Definition> chain = new ArrayList<>();
    chain.add(task("c0", "r"));
    for (int i = 1; i < 10_000; i++) {
      chain.add(task("c" + i, "r", "c" + (i - 1)));
    }
    d.submit("r", "alice", chain.toArray(new Definition[0]));
    d.fail(lease(), FailureClass.RECIPE);
    Map<TaskState, Integer> count = new HashMap<>();
    Objects.requireNonNull(d.ended.get("r"))
        .values()
        .forEach(t -> count.merge(t.state(), 1, Integer::sum));
    assertEquals(Map.of(TaskState.FAILED, 1, TaskState.SKIPPED, 9_999), count);
  }
}
