package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.needing;
import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Who gets what, and when. */
class HandoutTest {
  private final CoreDriver d = new CoreDriver();

  @BeforeEach
  void oneExecutor() {
    d.register("e");
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
    assertEquals("c1", CoreDriver.hash(d.next("e")));
  }

  @Test
  void theOrderFollowsWhatBuildsTook() {
    Definition[] tasks = {
      task("slow", "r"), task("c1", "r"), task("c2", "r", "c1"), task("end", "r", "slow", "c2")
    };
    d.submit("r", "alice", tasks);
    assertEquals(
        "c1", CoreDriver.hash(d.lease("e", 1).getFirst()), "of unknown lengths, the longer chain");
    d.apply(new Event.Cancel("r"));
    d.submit("s", "alice", task("slow", "r"));
    d.succeed(d.next("e"), Duration.ofMinutes(10));
    d.submit("t", "alice", tasks);
    assertEquals("slow", CoreDriver.hash(d.next("e")), "it took ten minutes last time");
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
    Effect.Grant next = d.next("e");
    assertEquals("modest", next.client(), "the next free slot");
    d.succeed(running.removeFirst());
    assertEquals("modest", d.next("e").client(), "and the one after, until it runs as many");
  }

  @Test
  void priorityOrdersWithinAClient() {
    d.submit("r", "alice", task("a", "r"));
    d.submit("s", "alice", new RequestHead.Options(false, false, 5), task("b", "r"));
    assertEquals("b", CoreDriver.hash(d.next("e")));
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
}
