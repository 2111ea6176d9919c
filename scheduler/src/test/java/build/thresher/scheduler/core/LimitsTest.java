package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.scheduler.store.MemoryTaskStore;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** No client, and not all clients together, can make the queue grow without end. */
class LimitsTest {
  private static final CoreOptions SMALL = withLimits(10, 25);

  private final CoreDriver d = new CoreDriver(SMALL);

  static CoreOptions withLimits(int tasksPerClient, int tasks) {
    CoreOptions all = CoreOptions.DEFAULTS;
    return new CoreOptions(
        all.leaseTerm(),
        all.executorTimeout(),
        all.schedulingGrace(),
        all.maxAttempts(),
        all.failureTtl(),
        tasksPerClient,
        tasks,
        all.plainInstances());
  }

  private Reply ask(String request, String client, int tasks) {
    return d.submit(
        request,
        client,
        IntStream.range(0, tasks)
            .mapToObj(i -> task(request + "-" + i, "r"))
            .toArray(Definition[]::new));
  }

  private void assertRefused(Reply reply, String text) {
    String message = assertInstanceOf(Reply.OverLimit.class, reply).message();
    assertTrue(message.contains(text), message);
  }

  @Test
  void oneClientHasSoManyUnfinishedTasksAndOthersGoOn() {
    ask("r", "mallory", 6);
    assertInstanceOf(Reply.Accepted.class, ask("s", "mallory", 4));
    assertRefused(ask("t", "mallory", 1), "mallory would have 11 unfinished tasks; at most 10");
    assertTrue(d.core.view().request("t").isEmpty());
    assertInstanceOf(Reply.Accepted.class, ask("u", "alice", 10));
  }

  @Test
  void invocationsCountForTheirUser() {
    ask("r", new ClientName("mallory", "bazel 1").text(), 6);
    assertInstanceOf(
        Reply.Accepted.class, ask("s", new ClientName("mallory", "bazel 2").text(), 4));
    assertRefused(
        ask("t", new ClientName("mallory", "bazel 3").text(), 1),
        "mallory would have 11 unfinished tasks; at most 10");
  }

  @Test
  void requestsThatShareTasksCountEach() {
    for (int i = 0; i < 10; i++) {
      assertInstanceOf(Reply.Accepted.class, d.submit("r" + i, "mallory", task("a", "r")));
    }
    assertRefused(d.submit("r10", "mallory", task("a", "r")), "11 unfinished tasks");
    assertInstanceOf(Reply.Accepted.class, d.submit("r3", "mallory", task("a", "r")), "again");
  }

  @Test
  void manyNamesDoNotHelp() {
    ask("r", "m1", 10);
    ask("s", "m2", 10);
    assertRefused(ask("t", "m3", 6), "the farm would have 26 unfinished tasks; at most 25");
    assertInstanceOf(Reply.Accepted.class, ask("u", "m3", 5));
  }

  @Test
  void whatEndsMakesRoomHoweverItEnds() {
    d.register("e");
    d.submit("r", "alice", task("a", "r"), task("b", "r", "a"), task("c", "r", "b"));
    d.fail(d.next("e"), FailureClass.RECIPE);
    assertEquals(RequestState.FAILED, d.finished.get("r"));
    ask("s", "alice", 10);
    d.apply(new Event.Cancel("s"));
    ask("t", "alice", 10);
    for (int i = 0; i < 10; i++) {
      d.succeed(d.next("e"));
    }
    assertEquals(RequestState.SUCCEEDED, d.finished.get("t"));
    d.submit("u", "alice", CoreDriver.FAIL_FAST, task("u1", "r"), task("u2", "r"));
    d.fail(d.next("e"), FailureClass.RECIPE);
    assertEquals(RequestState.FAILED, d.finished.get("u"));
    assertInstanceOf(Reply.Accepted.class, ask("v", "alice", 10));
  }

  @Test
  void whatWasThereBeforeARestartCounts() throws Exception {
    ask("r", "alice", 4);
    MemoryTaskStore store = new MemoryTaskStore();
    store.commit(store.open(), d.changes);
    d.core = Core.load(SMALL, store.loadLive(), d.now());
    assertRefused(ask("s", "alice", 7), "11 unfinished tasks");
    d.apply(new Event.Cancel("r"));
    assertInstanceOf(Reply.Accepted.class, ask("s", "alice", 10));
  }
}
