package build.thresher.scheduler;

import static build.thresher.scheduler.TestActions.action;
import static build.thresher.scheduler.TestActions.command;
import static build.thresher.scheduler.TestActions.execution;
import static build.thresher.scheduler.TestActions.last;
import static build.thresher.scheduler.TestActions.operations;
import static build.thresher.scheduler.TestActions.request;
import static build.thresher.scheduler.TestActions.result;
import static build.thresher.scheduler.TestActions.stage;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.ExecuteOperationMetadata;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.ExecutionPolicy;
import build.bazel.remote.execution.v2.ExecutionStage;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.Platform;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Lease;
import com.google.longrunning.CancelOperationRequest;
import com.google.longrunning.ListOperationsRequest;
import com.google.longrunning.Operation;
import com.google.rpc.Code;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Actions over real connections, with an executor that does as it is told. */
@Timeout(180)
class ExecutionTest {
  @TempDir Path directory = Path.of("");

  @Test
  void anActionIsQueuedExecutedAndCompletedAndThenServedFromTheCache() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Digest action = action(farm, command("out"));
      Iterator<Operation> operations = execution(farm).execute(request(action));
      Operation first = operations.next();
      assertTrue(first.getName().startsWith("default/operations/"), first.getName());
      assertEquals(ExecutionStage.Value.QUEUED, stage(first));

      Lease lease = executor.lease(1, 5).getFirst();
      Operation second = operations.next();
      assertEquals(ExecutionStage.Value.EXECUTING, stage(second));
      ExecuteOperationMetadata metadata =
          second.getMetadata().unpack(ExecuteOperationMetadata.class);
      assertTrue(metadata.getStdoutStreamName().endsWith("/streams/stdout"));
      assertEquals("e", metadata.getPartialExecutionMetadata().getWorker());

      executor.stub.complete(
          executor
              .outcome(lease)
              .setActionResult(
                  ActionResult.newBuilder()
                      .addOutputFiles(
                          OutputFile.newBuilder()
                              .setPath("out")
                              .setDigest(Wire.digest(farm.text("content")))))
              .build());
      ExecuteResponse response = last(operations);
      assertEquals(0, response.getStatus().getCode());
      assertFalse(response.getCachedResult());

      ExecuteResponse again =
          last(
              execution(farm)
                  .execute(request(action).toBuilder().addInlineOutputFiles("out").build()));
      assertTrue(again.getCachedResult());
      assertEquals("content", again.getResult().getOutputFiles(0).getContents().toStringUtf8());
    }
  }

  @Test
  void manyWhoAskAtOnceShareOneRunAndEachHasAnOperationOfItsOwn() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(50);
      Digest action = action(farm, command());
      List<Future<Asked>> asked = new ArrayList<>();
      var execution = execution(farm);
      try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
        for (int i = 0; i < 1_000; i++) {
          asked.add(callers.submit(() -> Asked.of(execution.execute(request(action)))));
        }
      }
      List<Asked> all = new ArrayList<>();
      for (Future<Asked> one : asked) {
        all.add(one.get());
      }
      assertEquals(1_000, all.stream().map(Asked::name).distinct().count());
      List<Lease> leases = executor.lease(50, 5);
      assertEquals(1, leases.size());
      operations(farm)
          .cancelOperation(
              CancelOperationRequest.newBuilder().setName(all.getFirst().name()).build());
      executor.stub.complete(result(executor, leases.getFirst(), 3));
      assertEquals(Code.CANCELLED_VALUE, last(all.getFirst().rest()).getStatus().getCode());
      for (Asked one : all.subList(1, 1_000)) {
        assertEquals(3, last(one.rest()).getResult().getExitCode());
      }
    }
  }

  /** A call that was told its operation, and what it is told later. */
  private record Asked(String name, Iterator<Operation> rest) {
    static Asked of(Iterator<Operation> operations) {
      return new Asked(operations.next().getName(), operations);
    }
  }

  @Test
  void anActionThatMustNotBeCachedRunsForEachWhoAsks() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(2);
      Digest action = action(farm, command(), Action.newBuilder().setDoNotCache(true).build());
      Iterator<Operation> first = execution(farm).execute(request(action));
      Iterator<Operation> second = execution(farm).execute(request(action));
      first.next();
      second.next();
      List<Lease> leases = executor.lease(2, 5);
      assertEquals(2, leases.size());
      for (Lease lease : leases) {
        executor.stub.complete(result(executor, lease, 0));
      }
      assertFalse(last(first).getCachedResult());
      assertFalse(last(second).getCachedResult());
      Iterator<Operation> third = execution(farm).execute(request(action));
      assertEquals(ExecutionStage.Value.QUEUED, stage(third.next()));
    }
  }

  @Test
  void whatNobodyCanRunFailsAtOnceAndSaysWhy() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Platform.Property property =
          Platform.Property.newBuilder().setName("pool").setValue("gpu").build();
      Digest action =
          action(
              farm,
              command(),
              Action.newBuilder()
                  .setPlatform(Platform.newBuilder().addProperties(property))
                  .build());
      ExecuteResponse response = last(execution(farm).execute(request(action)));
      assertEquals(Code.FAILED_PRECONDITION_VALUE, response.getStatus().getCode());
      assertTrue(response.getMessage().contains("gpu"), response.getMessage());
    }
  }

  @Test
  void failuresOfTheFarmAreStatusesOfTheResponse() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Digest action = action(farm, command());
      Iterator<Operation> operations = execution(farm).execute(request(action));
      operations.next();
      Lease lease = executor.lease(1, 5).getFirst();
      executor.stub.complete(
          executor
              .outcome(lease)
              .setFailure(
                  Failure.newBuilder()
                      .setFailureClass(FailureClass.FAILURE_TIMEOUT)
                      .setMessage("killed after 1 s"))
              .build());
      ExecuteResponse response = last(operations);
      assertEquals(Code.DEADLINE_EXCEEDED_VALUE, response.getStatus().getCode());
      assertEquals("killed after 1 s", response.getMessage());
    }
  }

  @Test
  void anInstanceMayHaveSlashesInItsName() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      String instance = "projects/p/instances/i";
      Iterator<Operation> operations =
          execution(farm)
              .execute(
                  request(action(farm, command())).toBuilder().setInstanceName(instance).build());
      String name = operations.next().getName();
      assertTrue(name.startsWith(instance + "/operations/"), name);
      Lease lease = executor.lease(1, 5).getFirst();
      assertEquals(instance, lease.getInstanceName());
      executor.stub.complete(result(executor, lease, 0));
      assertEquals(0, last(operations).getStatus().getCode());
      assertEquals(
          List.of(name),
          operations(farm)
              .listOperations(
                  ListOperationsRequest.newBuilder().setName(instance + "/operations").build())
              .getOperationsList()
              .stream()
              .map(Operation::getName)
              .toList());
    }
  }

  @Test
  void aLowerPriorityNumberGoesFirst() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      List<Integer> priorities = List.of(5, Integer.MAX_VALUE, -3, Integer.MIN_VALUE, 0);
      for (int priority : priorities) {
        ExecutionPolicy policy = ExecutionPolicy.newBuilder().setPriority(priority).build();
        Digest action = action(farm, command("out" + priority));
        execution(farm)
            .execute(request(action).toBuilder().setExecutionPolicy(policy).build())
            .next();
      }
      List<String> order = new ArrayList<>();
      for (Lease lease : executor.lease(priorities.size(), 5)) {
        Action run =
            Action.parseFrom(
                farm.blobs.readAll(
                    Scope.farm("default"), Wire.digest(lease.getActionRun().getAction())));
        Command command =
            Command.parseFrom(
                farm.blobs.readAll(Scope.farm("default"), Wire.digest(run.getCommandDigest())));
        order.add(command.getOutputPaths(0).substring("out".length()));
      }
      assertEquals(priorities.stream().sorted().map(String::valueOf).toList(), order);
    }
  }
}
