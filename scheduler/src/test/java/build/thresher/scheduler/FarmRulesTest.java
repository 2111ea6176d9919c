package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.testing.Dag;
import build.thresher.v1.AppendLogRequest;
import build.thresher.v1.CancelRequest;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.ExecuteOptions;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FailureClass;
import build.thresher.v1.FarmStatus;
import build.thresher.v1.GetRequestRequest;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.Lease;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.ReadLogRequest;
import build.thresher.v1.ReadLogResponse;
import build.thresher.v1.RenewLease;
import build.thresher.v1.RenewRequest;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import build.thresher.v1.WaitExecutionRequest;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** What the contracts promise, over real connections. */
@Timeout(180)
class FarmRulesTest {
  @TempDir Path directory = Path.of("");

  private static Dag chain(int length) {
    Dag dag = new Dag().node("n0");
    for (int i = 1; i < length; i++) {
      dag.node("n" + i, "n" + (i - 1));
    }
    return dag;
  }

  private static String refused(Status.Code code, Executable call) {
    StatusRuntimeException e = assertThrows(StatusRuntimeException.class, call);
    assertEquals(code, e.getStatus().getCode(), e.getMessage());
    return String.valueOf(e.getStatus().getDescription());
  }

  private static Lease one(ScriptedExecutor executor) {
    List<Lease> leases = executor.lease(1, 10);
    assertEquals(1, leases.size());
    return leases.getFirst();
  }

  @Test
  void fiftyClientsWithConnectionsOfTheirOwnShareOneBuildOfEachNode() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e1").succeeding(4);
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Dag dag = chain(10);
      List<Callable<Request>> clients = new ArrayList<>();
      for (int i = 0; i < 50; i++) {
        ExecuteRequest request = farm.request(dag, "client" + i).build();
        clients.add(() -> TestFarm.last(farm.client().execute(request)));
      }
      for (Future<Request> done : threads.invokeAll(clients)) {
        assertEquals(RequestState.REQUEST_SUCCEEDED, done.get().getState());
      }
      assertEquals(10, executor.built.get());
      assertEquals(10, farm.mirror.publishCalls.get());
    }
  }

  @Test
  void aCancelByOneOfTwoDoesNotHarmTheOther() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      Dag dag = chain(1);
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(1);
      var client = farm.client();
      String first =
          TestFarm.accepted(client.execute(farm.request(dag, "alice").build())).getRequestId();
      Iterator<ExecuteUpdate> second = client.execute(farm.request(dag, "bob").build());
      TestFarm.accepted(second);
      Lease lease = one(executor);
      Request cancelled = client.cancel(CancelRequest.newBuilder().setRequestId(first).build());
      assertEquals(RequestState.REQUEST_CANCELLED, cancelled.getState());
      assertEquals(TaskState.TASK_CANCELLED, cancelled.getTasks(0).getState());
      assertEquals(0, renew(executor, lease).size());
      executor.stub.complete(executor.success(lease));
      assertEquals(RequestState.REQUEST_SUCCEEDED, TestFarm.last(second).getState());
    }
  }

  private static List<build.thresher.v1.Fence> renew(ScriptedExecutor executor, Lease lease) {
    return executor
        .stub
        .renew(
            RenewRequest.newBuilder()
                .setExecutor(executor.name)
                .setIncarnation(executor.incarnation)
                .addLeases(RenewLease.newBuilder().setFence(lease.getFence()).setPhase("build"))
                .build())
        .getKillList();
  }

  @Test
  void aCancelByTheLastHolderKillsTheBuild() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(1);
      var client = farm.client();
      String id =
          TestFarm.accepted(client.execute(farm.request(chain(1), "alice").build())).getRequestId();
      Lease lease = one(executor);
      client.cancel(CancelRequest.newBuilder().setRequestId(id).build());
      client.cancel(CancelRequest.newBuilder().setRequestId(id).build());
      assertEquals(List.of(lease.getFence()), renew(executor, lease));
      refused(Status.Code.ABORTED, () -> executor.stub.complete(executor.success(lease)));
      assertEquals(0, farm.mirror.publishCalls.get());
    }
  }

  @Test
  void aRestartKeepsWhatIsDoneDoneAndWhatIsLeasedLeased() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      Dag dag = chain(4);
      ScriptedExecutor before = new ScriptedExecutor(farm, "e1");
      before.register(1);
      String id =
          TestFarm.accepted(farm.client().execute(farm.request(dag, "alice").build()))
              .getRequestId();
      before.stub.complete(before.success(one(before)));
      Lease held = one(before);
      assertEquals("n1", held.getSpackBuild().getName());
      farm.stop();
      farm.start();

      ScriptedExecutor after = new ScriptedExecutor(farm, "e1", before.incarnation);
      refused(Status.Code.NOT_FOUND, () -> after.lease(1, 1));
      assertEquals(0, after.register(1, held).getRefusedCount());
      assertEquals(0, renew(after, held).size());
      Request request =
          farm.client().getRequest(GetRequestRequest.newBuilder().setRequestId(id).build());
      assertEquals(
          List.of(
              TaskState.TASK_SUCCEEDED,
              TaskState.TASK_LEASED,
              TaskState.TASK_WAITING,
              TaskState.TASK_WAITING),
          request.getTasksList().stream().map(Task::getState).toList());
      after.stub.complete(after.success(held));
      try (ScriptedExecutor rest = new ScriptedExecutor(farm, "e2").succeeding(1)) {
        Request done =
            TestFarm.last(
                farm.client()
                    .waitExecution(WaitExecutionRequest.newBuilder().setRequestId(id).build()));
        assertEquals(RequestState.REQUEST_SUCCEEDED, done.getState());
        assertEquals(2, rest.built.get());
        assertTrue(done.getTasksList().stream().allMatch(t -> t.getAttempt() == 1));
      }
    }
  }

  @Test
  void aBrokenStreamCancelsNothingAndWaitExecutionFindsItByHash() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      Dag dag = chain(3);
      var channel = farm.connect();
      TestFarm.accepted(
          build.thresher.v1.FarmGrpc.newBlockingStub(channel)
              .execute(farm.request(dag, "alice").build()));
      channel.shutdownNow();
      try (ScriptedExecutor executor = new ScriptedExecutor(farm, "e1").succeeding(1)) {
        WaitExecutionRequest wait =
            WaitExecutionRequest.newBuilder().setSpecHash(dag.hash("n2")).build();
        assertEquals(
            RequestState.REQUEST_SUCCEEDED,
            TestFarm.last(farm.client().waitExecution(wait)).getState());
        assertEquals(
            RequestState.REQUEST_SUCCEEDED,
            TestFarm.last(farm.client().waitExecution(wait)).getState(),
            "from history");
        assertEquals(3, executor.built.get());
      }
      refused(
          Status.Code.NOT_FOUND,
          () ->
              farm.client()
                  .waitExecution(
                      WaitExecutionRequest.newBuilder().setSpecHash("a".repeat(32)).build())
                  .next());
    }
  }

  @Test
  void anExpiredLeaseCannotWriteAResult() throws Exception {
    try (TestFarm farm =
        new TestFarm(directory, TestFarm.quick(Duration.ofSeconds(2), Duration.ofSeconds(60)))) {
      ScriptedExecutor paused = new ScriptedExecutor(farm, "paused");
      paused.register(1);
      Iterator<ExecuteUpdate> updates =
          farm.client().execute(farm.request(chain(1), "alice").build());
      TestFarm.accepted(updates);
      Lease old = one(paused);
      ScriptedExecutor other = new ScriptedExecutor(farm, "other");
      other.register(1);
      Lease current = one(other);
      assertEquals(2, current.getFence().getAttempt());
      refused(Status.Code.ABORTED, () -> paused.stub.complete(paused.success(old)));
      other.stub.complete(other.success(current));
      other.stub.complete(other.success(current)); // said twice
      assertEquals(RequestState.REQUEST_SUCCEEDED, TestFarm.last(updates).getState());
      other.stub.complete(other.success(current)); // and once more when it is history
      refused(Status.Code.ABORTED, () -> paused.stub.complete(paused.success(old)));
      assertEquals(1, farm.mirror.publishCalls.get());
    }
  }

  @Test
  void failuresAreRetriedOrRememberedByTheirClass() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e1")) {
      executor.run(
          2,
          (outcome, lease) ->
              lease.getSpackBuild().getName().equals("flaky")
                  ? executor.failure(
                      lease, FailureClass.FAILURE_INFRASTRUCTURE, "the disk was full")
                  : executor.failure(lease, FailureClass.FAILURE_RECIPE, "it does not compile"));
      Dag flaky = new Dag().node("flaky").node("top", "flaky");
      Request first = TestFarm.last(farm.client().execute(farm.request(flaky, "a").build()));
      assertEquals(RequestState.REQUEST_FAILED, first.getState());
      assertEquals(3, first.getTasks(0).getAttempt());
      assertEquals(TaskState.TASK_SKIPPED, first.getTasks(1).getState());

      Dag broken = new Dag().node("broken");
      Request second = TestFarm.last(farm.client().execute(farm.request(broken, "a").build()));
      assertEquals(1, second.getTasks(0).getAttempt());
      int built = executor.built.get();
      Request again = TestFarm.last(farm.client().execute(farm.request(broken, "b").build()));
      assertTrue(again.getTasks(0).getFailure().getRemembered());
      assertEquals("it does not compile", again.getTasks(0).getFailure().getMessage());
      assertTrue(again.getTasks(0).hasLog());
      assertEquals(built, executor.built.get());
      TestFarm.last(
          farm.client()
              .execute(
                  farm.request(broken, "b")
                      .setOptions(ExecuteOptions.newBuilder().setRetryFailed(true))
                      .build()));
      assertEquals(built + 1, executor.built.get());
      TestFarm.last(
          farm.client()
              .execute(farm.request(broken, "b").setInputs(farm.inputs("others")).build()));
      assertEquals(built + 2, executor.built.get());
    }
  }

  @Test
  void aSuccessThatNamesAMissingBlobIsNotBelieved() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(1);
      TestFarm.accepted(farm.client().execute(farm.request(chain(1), "alice").build()));
      Lease lease = one(executor);
      CompleteRequest good = executor.success(lease);
      CompleteRequest.Builder bad = good.toBuilder();
      bad.getSpackBuildBuilder().getArchiveBuilder().setHash("0".repeat(64));
      refused(Status.Code.FAILED_PRECONDITION, () -> executor.stub.complete(bad.build()));
      executor.stub.complete(good);
    }
  }

  @Test
  void aLogIsReadWhileItIsWrittenAndAfterwards() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(1);
      TestFarm.accepted(farm.client().execute(farm.request(chain(1), "alice").build()));
      Lease lease = one(executor);
      String execution = lease.getFence().getExecution();
      append(executor, lease, 0, "log ");
      append(executor, lease, 2, "g of"); // overlaps
      refused(Status.Code.OUT_OF_RANGE, () -> append(executor, lease, 100, "x"));
      Iterator<ReadLogResponse> follow =
          farm.client()
              .readLog(
                  ReadLogRequest.newBuilder()
                      .setExecution(execution)
                      .setOffset(1)
                      .setFollow(true)
                      .build());
      assertEquals("og of", follow.next().getData().toStringUtf8());
      append(executor, lease, 6, " n0\n");
      assertEquals(" n0\n", follow.next().getData().toStringUtf8());
      executor.stub.complete(executor.success(lease));
      assertEquals(false, follow.hasNext(), "the log has ended");
      Iterator<ReadLogResponse> after =
          farm.client().readLog(ReadLogRequest.newBuilder().setExecution(execution).build());
      assertEquals("log of n0\n", after.next().getData().toStringUtf8());
      refused(
          Status.Code.NOT_FOUND,
          () ->
              farm.client()
                  .readLog(ReadLogRequest.newBuilder().setExecution("default/operations/x").build())
                  .next());
    }
  }

  private static void append(ScriptedExecutor executor, Lease lease, long offset, String text) {
    executor.stub.appendLog(
        AppendLogRequest.newBuilder()
            .setFence(lease.getFence())
            .setOffset(offset)
            .setData(ByteString.copyFromUtf8(text))
            .build());
  }

  @Test
  void statusAndListsSayWhatIsGoingOn() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(3);
      TestFarm.accepted(farm.client().execute(farm.request(chain(3), "alice").build()));
      one(executor);
      FarmStatus status = farm.client().getStatus(GetStatusRequest.getDefaultInstance());
      assertEquals(1, status.getLeased());
      assertEquals(2, status.getWaiting());
      assertEquals(1, status.getExecutors(0).getBusy());
      assertEquals(3, status.getExecutors(0).getSlots());
      assertEquals(256, status.getInstallRoot().length());
      assertEquals(
          "alice",
          farm.client()
              .listRequests(ListRequestsRequest.newBuilder().setActiveOnly(true).build())
              .getRequests(0)
              .getClient());
    }
  }
}
