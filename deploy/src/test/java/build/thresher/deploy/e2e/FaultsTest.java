package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.Request;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import build.thresher.v1.WaitExecutionRequest;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Whatever dies or goes away in mid-build: what was asked for ends as it should. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(SharedWorld.class)
class FaultsTest {
  private final Solved solved;
  private final FarmUnderTest farm;
  private final ManagedChannel channel;

  FaultsTest(SpackWorld world, @TempDir Path directory) throws Exception {
    solved = SharedWorld.solved(world);
    farm =
        FarmUnderTest.start(
            directory.resolve("farm"), "executor.local=false", "scheduler.lease_term=10s");
    channel = farm.connect();
  }

  @BeforeAll
  void buildWhatAllNeed() throws Exception {
    Process executor = farm.startExecutor("first");
    farm.thresher("build", solved.root("fl-core").plan().toString()).succeeded();
    FarmUnderTest.kill(executor);
  }

  @BeforeEach
  void noBuildRuns() {
    assertEquals(List.of(), activeRequests());
  }

  @AfterEach
  void noExecutorStaysBehind() throws Exception {
    farm.killExecutors();
  }

  @AfterAll
  void stop() throws Exception {
    channel.shutdownNow();
    farm.close();
  }

  @Test
  void anExecutorThatIsKilledInMidBuildIsReplacedByAnother() throws Exception {
    Process killed = farm.startExecutor("a");
    Solved.Root slow = asleep("3600.011");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("3600.011");
    FarmUnderTest.kill(killed);
    Processes.until("its build has died with it", () -> sleeping("3600.011").isEmpty());
    farm.startExecutor("b");
    wake("3600.011");
    assertEquals(0, client.await().exit(), () -> said(client));
    Task task = task(slow);
    assertEquals(TaskState.TASK_SUCCEEDED, task.getState());
    assertEquals("b", task.getExecutor());
    assertEquals(2, task.getAttempt());
  }

  @Test
  void anExecutorThatWasKilledTakesItsWorkUpAgain() throws Exception {
    Process killed = farm.startExecutor("c");
    Solved.Root slow = asleep("3600.012");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("3600.012");
    FarmUnderTest.kill(killed);
    Processes.until("its build has died with it", () -> sleeping("3600.012").isEmpty());
    farm.startExecutor("c");
    wake("3600.012");
    assertEquals(0, client.await().exit(), () -> said(client));
    assertEquals("c", task(slow).getExecutor());
  }

  @Test
  void aServerThatIsKilledInMidBuildGoesOnWhereItWas() throws Exception {
    farm.startExecutor("d");
    Solved.Root slow = asleep("3600.013");
    Task before = taskByHash(solved.hash("fl-core"));
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("3600.013");
    List<Long> sleepers = pids("3600.013");
    farm.killServer();
    farm.startServer();
    Processes.until(
        "the client has seen it",
        () -> client.output().contains("the connection to the farm broke"));
    assertEquals(sleepers, pids("3600.013"), "the running build was kept, not done again");
    wake("3600.013");
    assertEquals(0, client.await().exit(), () -> said(client));
    Task task = task(slow);
    assertEquals(TaskState.TASK_SUCCEEDED, task.getState());
    assertEquals(1, task.getAttempt());
    assertEquals(before, taskByHash(solved.hash("fl-core")), "what was done stays done");
  }

  @Test
  void aCancelByOneOfTwoLeavesTheBuildToTheOther() throws Exception {
    farm.startExecutor("e");
    Solved.Root slow = asleep("3600.014");
    FarmUnderTest.Client leaving = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("3600.014");
    List<Long> sleepers = pids("3600.014");
    String first = activeRequests().getFirst();
    FarmUnderTest.Client staying = farm.startThresher("build", slow.plan().toString());
    Processes.until("both wait", () -> activeRequests().size() == 2);
    farm.thresher("cancel", first).succeeded();
    assertNotEquals(0, leaving.await().exit());
    assertTrue(said(leaving).contains("cancelled"), said(leaving));
    assertEquals(sleepers, pids("3600.014"), "the same build goes on");
    wake("3600.014");
    assertEquals(0, staying.await().exit(), () -> said(staying));
    assertEquals(1, task(slow).getAttempt());
  }

  @Test
  void aBuildThatEverybodyCancelledIsKilledWithAllItsProcesses() throws Exception {
    farm.startExecutor("f");
    Solved.Root slow = asleep("3600.015");
    FarmUnderTest.Client one = farm.startThresher("build", slow.plan().toString());
    FarmUnderTest.Client two = farm.startThresher("build", slow.plan().toString());
    Processes.until("both wait", () -> activeRequests().size() == 2);
    awaitSleeping("3600.015");
    for (String request : activeRequests()) {
      farm.thresher("cancel", request).succeeded();
    }
    assertNotEquals(0, one.await().exit());
    assertNotEquals(0, two.await().exit());
    Processes.until("no process is left", () -> sleeping("3600.015").isEmpty());
    Processes.until(
        "no sandbox is left", () -> Processes.withCommandLine("executors/f/builds").isEmpty());
    Processes.until(
        "the slot is free", () -> farm.thresher("status").output().contains("f: 0 of 2"));
  }

  @Test
  void aBuildGoesOnWithoutItsClientAndWaitFindsIt() throws Exception {
    farm.startExecutor("g");
    Solved.Root slow = asleep("3600.016");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("3600.016");
    String request = activeRequests().getFirst();
    FarmUnderTest.kill(client.process());
    wake("3600.016");
    Processes.Ended byHash = farm.thresher("wait", "/" + slow.hash()).succeeded();
    assertTrue(byHash.output().contains("fl-slow@1.0"), byHash.output());
    farm.thresher("wait", request).succeeded();
    assertEquals(1, task(slow).getAttempt());
  }

  @Test
  void aServerThatIsStoppedLeavesTheBuildsToTheNextOne() throws Exception {
    farm.startExecutor("h");
    Solved.Root slow = asleep("3600.017");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("3600.017");
    farm.stopServer();
    farm.startServer();
    wake("3600.017");
    assertEquals(0, client.await().exit(), () -> said(client));
    assertEquals(1, task(slow).getAttempt());
  }

  @Test
  void anExecutorThatIsStoppedEndsItsBuildFirst() throws Exception {
    Process executor = farm.startExecutor("i");
    Solved.Root slow = asleep("3600.018");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("3600.018");
    executor.destroy();
    wake("3600.018");
    assertEquals(0, client.await().exit(), () -> said(client));
    executor.waitFor();
    assertEquals(1, task(slow).getAttempt());
  }

  /** A build that sleeps until it is woken, and then succeeds. */
  private Solved.Root asleep(String nap) throws Exception {
    return solved.root("fl-slow", "nap", nap + " || true");
  }

  private void wake(String nap) throws Exception {
    awaitSleeping(nap);
    sleeping(nap).forEach(ProcessHandle::destroy);
  }

  private void awaitSleeping(String nap) throws Exception {
    Processes.until("the build sleeps", () -> !sleeping(nap).isEmpty());
  }

  private static List<ProcessHandle> sleeping(String nap) {
    return Processes.withCommandLineEnd("sleep " + nap);
  }

  private static List<Long> pids(String nap) {
    return sleeping(nap).stream().map(ProcessHandle::pid).sorted().toList();
  }

  private List<String> activeRequests() {
    return FarmGrpc.newBlockingStub(channel)
        .withWaitForReady()
        .listRequests(ListRequestsRequest.newBuilder().setActiveOnly(true).build())
        .getRequestsList()
        .stream()
        .map(Request::getRequestId)
        .toList();
  }

  private Task task(Solved.Root root) {
    return taskByHash(root.hash());
  }

  /** As a late waiter gets to see it. */
  private Task taskByHash(String hash) {
    var updates =
        FarmGrpc.newBlockingStub(channel)
            .withWaitForReady()
            .waitExecution(WaitExecutionRequest.newBuilder().setSpecHash(hash).build());
    Request last = Request.getDefaultInstance();
    while (updates.hasNext()) {
      var update = updates.next();
      last = update.hasFinished() ? update.getFinished() : last;
    }
    return last.getTasksList().stream()
        .filter(t -> t.getHash().equals(hash))
        .findFirst()
        .orElseThrow(() -> new AssertionError("nobody knows " + hash));
  }

  private String said(FarmUnderTest.Client client) {
    try {
      return client.output() + farm.logs();
    } catch (java.io.IOException e) {
      return e.toString();
    }
  }
}
