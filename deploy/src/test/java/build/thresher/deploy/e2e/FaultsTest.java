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
            directory.resolve("farm"), "executor.local=false", "scheduler.lease_term=6s");
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
    Solved.Root slow = solved.root("fl-slow", "nap", "4.011");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("4.011");
    FarmUnderTest.kill(killed);
    Processes.until("its build has died with it", () -> sleeping("4.011").isEmpty());
    farm.startExecutor("b");
    assertEquals(0, client.await().exit(), () -> said(client));
    Task task = task(slow);
    assertEquals(TaskState.TASK_SUCCEEDED, task.getState());
    assertEquals("b", task.getExecutor());
    assertEquals(2, task.getAttempt());
  }

  @Test
  void anExecutorThatWasKilledTakesItsWorkUpAgain() throws Exception {
    Process killed = farm.startExecutor("c");
    Solved.Root slow = solved.root("fl-slow", "nap", "4.012");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("4.012");
    FarmUnderTest.kill(killed);
    farm.startExecutor("c");
    assertEquals(0, client.await().exit(), () -> said(client));
    assertEquals("c", task(slow).getExecutor());
  }

  @Test
  void aServerThatIsKilledInMidBuildGoesOnWhereItWas() throws Exception {
    farm.startExecutor("d");
    Solved.Root slow = solved.root("fl-slow", "nap", "9.013");
    Task before = taskByHash(solved.hash("fl-core"));
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("9.013");
    List<Long> sleepers = pids("9.013");
    farm.killServer();
    farm.startServer();
    assertEquals(0, client.await().exit(), () -> said(client));
    assertTrue(said(client).contains("the connection to the farm broke"), said(client));
    Task task = task(slow);
    assertEquals(TaskState.TASK_SUCCEEDED, task.getState());
    assertEquals(1, task.getAttempt(), "the running build was kept, not done again: " + sleepers);
    assertEquals(before, taskByHash(solved.hash("fl-core")), "what was done stays done");
  }

  @Test
  void aCancelByOneOfTwoLeavesTheBuildToTheOther() throws Exception {
    farm.startExecutor("e");
    Solved.Root slow = solved.root("fl-slow", "nap", "6.014");
    FarmUnderTest.Client leaving = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("6.014");
    List<Long> sleepers = pids("6.014");
    String first = activeRequests().getFirst();
    FarmUnderTest.Client staying = farm.startThresher("build", slow.plan().toString());
    Processes.until("both wait", () -> activeRequests().size() == 2);
    farm.thresher("cancel", first).succeeded();
    assertNotEquals(0, leaving.await().exit());
    assertTrue(said(leaving).contains("cancelled"), said(leaving));
    assertEquals(sleepers, pids("6.014"), "the same build goes on");
    assertEquals(0, staying.await().exit(), () -> said(staying));
    assertEquals(1, task(slow).getAttempt());
  }

  @Test
  void aBuildThatEverybodyCancelledIsKilledWithAllItsProcesses() throws Exception {
    farm.startExecutor("f");
    Solved.Root slow = solved.root("fl-slow", "nap", "3600.015");
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
        "no sandbox is left", () -> Processes.withCommandLine("executor-f/builds").isEmpty());
    Processes.until(
        "the slot is free", () -> farm.thresher("status").output().contains("f: 0 of 2"));
  }

  @Test
  void aBuildGoesOnWithoutItsClientAndWaitFindsIt() throws Exception {
    farm.startExecutor("g");
    Solved.Root slow = solved.root("fl-slow", "nap", "5.016");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("5.016");
    String request = activeRequests().getFirst();
    FarmUnderTest.kill(client.process());
    Processes.Ended byHash = farm.thresher("wait", "/" + slow.hash()).succeeded();
    assertTrue(byHash.output().contains("fl-slow@1.0"), byHash.output());
    farm.thresher("wait", request).succeeded();
    assertEquals(1, task(slow).getAttempt());
  }

  @Test
  void aServerThatIsStoppedLeavesTheBuildsToTheNextOne() throws Exception {
    farm.startExecutor("h");
    Solved.Root slow = solved.root("fl-slow", "nap", "7.017");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("7.017");
    farm.stopServer();
    farm.startServer();
    assertEquals(0, client.await().exit(), () -> said(client));
    assertEquals(1, task(slow).getAttempt());
  }

  @Test
  void anExecutorThatIsStoppedEndsItsBuildFirst() throws Exception {
    Process executor = farm.startExecutor("i");
    Solved.Root slow = solved.root("fl-slow", "nap", "2.018");
    FarmUnderTest.Client client = farm.startThresher("build", slow.plan().toString());
    awaitSleeping("2.018");
    executor.destroy();
    assertEquals(0, client.await().exit(), () -> said(client));
    executor.waitFor();
    assertEquals(1, task(slow).getAttempt());
  }

  private void awaitSleeping(String nap) throws Exception {
    Processes.until("the build sleeps", () -> !sleeping(nap).isEmpty());
  }

  private static List<ProcessHandle> sleeping(String nap) {
    return Processes.withCommandLine("sleep " + nap);
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
