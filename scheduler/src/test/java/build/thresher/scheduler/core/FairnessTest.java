package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.inInstance;
import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How executors are shared out: between instances, their users, and the users' invocations. */
class FairnessTest {
  private final CoreDriver d = new CoreDriver();
  private final Deque<Effect.Grant> running = new ArrayDeque<>();
  private int requests;

  @BeforeEach
  void oneExecutor() {
    d.register("e");
  }

  private void ask(String instance, String client, int priority, int tasks) {
    String request = "r" + requests++;
    Definition[] all = new Definition[tasks];
    for (int i = 0; i < tasks; i++) {
      all[i] = inInstance(instance, task(request + "-" + i, "r"));
    }
    d.submit(request, client, new RequestHead.Options(false, false, priority), all);
  }

  private static String named(String user, String invocation) {
    return new ClientName(user, invocation).text();
  }

  /** What runs on so many slots, after each was free a few times. */
  private <K extends Comparable<K>> Map<K, Long> shares(int slots, Function<Effect.Grant, K> by) {
    running.addAll(d.lease("e", slots));
    for (int i = 0; i < 5 * slots; i++) {
      d.succeed(running.removeFirst());
      running.add(d.next("e"));
    }
    return running.stream().collect(Collectors.groupingBy(by, TreeMap::new, Collectors.counting()));
  }

  private static String user(Effect.Grant grant) {
    return ClientName.of(grant.client()).user();
  }

  @Test
  void instancesGetTheSameHoweverManyUsersTheyHave() {
    for (int i = 0; i < 20; i++) {
      ask("crowded", "user" + i, 0, 100);
    }
    ask("quiet", "user0", 0, 200);
    assertEquals(
        Map.of("crowded", 8L, "quiet", 8L),
        shares(16, grant -> grant.definition().key().instance()));
  }

  @Test
  void aUserWithFiftyInvocationsGetsNoMoreThanOneWithOne() {
    for (int i = 0; i < 50; i++) {
      ask("default", named("alice", "bazel " + i), 100, 20);
    }
    ask("default", named("bob", "bazel"), 0, 200);
    ask("default", "carol", 0, 200);
    assertEquals(Map.of("alice", 4L, "bob", 4L, "carol", 4L), shares(12, FairnessTest::user));
  }

  @Test
  void theInvocationsOfAUserShareWhatHeGetsWhateverTheirPriorities() {
    ask("default", named("alice", "bazel 1"), 0, 200);
    ask("default", named("alice", "bazel 2"), 1000, 200);
    ask("default", "bob", 0, 200);
    assertEquals(
        Map.of(named("alice", "bazel 1"), 3L, named("alice", "bazel 2"), 3L, "bob", 6L),
        shares(12, Effect.Grant::client));
  }

  @Test
  void whatAShareDoesNotUseGoesToTheOthers() {
    ask("default", "alice", 0, 100);
    ask("other", "bob", 0, 2);
    running.addAll(d.lease("e", 10));
    assertEquals(2, running.stream().filter(grant -> user(grant).equals("bob")).count());
    assertEquals(10, running.size());
  }

  @Test
  void nothingWaitsForEverBehindAStreamOfWhatIsMoreUrgent() {
    ask("default", "alice", Integer.MIN_VALUE, 5);
    int turns = 0;
    List<Integer> patient = new ArrayList<>();
    while (patient.size() < 5) {
      ask("default", "alice", Integer.MAX_VALUE, 1);
      Effect.Grant grant = d.next("e");
      turns++;
      if (CoreDriver.hash(grant).startsWith("r0-")) {
        patient.add(turns);
        ask("default", "alice", Integer.MAX_VALUE, 1); // so that there is always some
      }
      d.succeed(grant);
      assertTrue(turns <= 50, "the old request waits: " + patient);
    }
    assertEquals(List.of(10, 20, 30, 40, 50), patient);
  }

  @Test
  void theTurnOfTheOldestKeepsTheOrderWithinARequest() {
    List<Definition> tasks = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      tasks.add(task("leaf" + i, "r"));
    }
    for (int i = 0; i < 30; i++) {
      tasks.add(i == 0 ? task("c0", "r") : task("c" + i, "r", "c" + (i - 1)));
    }
    d.submit("r", "alice", tasks.toArray(new Definition[0]));
    for (int i = 0; i < 29; i++) {
      Effect.Grant grant = d.next("e");
      assertEquals("c" + i, CoreDriver.hash(grant), "the longest path goes first in each turn");
      d.succeed(grant);
    }
  }
}
