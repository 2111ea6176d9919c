package build.thresher.scheduler;

import static build.thresher.scheduler.TestActions.action;
import static build.thresher.scheduler.TestActions.command;
import static build.thresher.scheduler.TestActions.execution;
import static build.thresher.scheduler.TestActions.last;
import static build.thresher.scheduler.TestActions.operations;
import static build.thresher.scheduler.TestActions.request;
import static build.thresher.scheduler.TestActions.result;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.WaitExecutionRequest;
import build.thresher.v1.Lease;
import com.google.longrunning.GetOperationRequest;
import com.google.longrunning.ListOperationsRequest;
import com.google.longrunning.Operation;
import com.google.longrunning.WaitOperationRequest;
import com.google.protobuf.Duration;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Operations over real connections: found, waited for, and unknown. */
@Timeout(180)
class OperationsTest {
  @TempDir Path directory = Path.of("");

  @Test
  void anOperationIsFoundAfterARestartAndWaitedFor() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor before = new ScriptedExecutor(farm, "e")) {
      before.register(1);
      Digest action = action(farm, command());
      String name = execution(farm).execute(request(action)).next().getName();
      Lease lease = before.lease(1, 5).getFirst();
      farm.stop();
      farm.start();
      Iterator<Operation> operations =
          execution(farm).waitExecution(WaitExecutionRequest.newBuilder().setName(name).build());
      assertEquals(name, operations.next().getName());
      try (ScriptedExecutor after = new ScriptedExecutor(farm, "e", before.incarnation)) {
        after.register(1, lease);
        after.stub.complete(result(after, lease, 0));
        assertEquals(0, last(operations).getStatus().getCode());
      }
      Operation done =
          operations(farm).getOperation(GetOperationRequest.newBuilder().setName(name).build());
      assertTrue(done.getDone());
      List<Operation> listed =
          operations(farm)
              .listOperations(ListOperationsRequest.newBuilder().setName("default").build())
              .getOperationsList();
      assertEquals(List.of(done), listed);
    }
  }

  @Test
  void anUnknownOperationIsNotFound() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      for (String name : List.of("", "default/operations/none", "none", "default/operations/")) {
        StatusRuntimeException refused =
            assertThrows(
                StatusRuntimeException.class,
                () ->
                    execution(farm)
                        .waitExecution(WaitExecutionRequest.newBuilder().setName(name).build())
                        .hasNext());
        assertEquals(Status.Code.NOT_FOUND, refused.getStatus().getCode(), name);
      }
    }
  }

  @Test
  void whoWaitsForAnOperationHearsHowItStandsWhenHisTimeIsUp() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Iterator<Operation> operations = execution(farm).execute(request(action(farm, command())));
      WaitOperationRequest wait =
          WaitOperationRequest.newBuilder()
              .setName(operations.next().getName())
              .setTimeout(Duration.newBuilder().setNanos(1))
              .build();
      assertFalse(operations(farm).waitOperation(wait).getDone());
      executor.stub.complete(result(executor, executor.lease(1, 5).getFirst(), 0));
      assertTrue(operations(farm).waitOperation(wait.toBuilder().clearTimeout().build()).getDone());
    }
  }
}
