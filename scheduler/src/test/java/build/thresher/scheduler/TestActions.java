package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.ExecuteOperationMetadata;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.bazel.remote.execution.v2.ExecutionStage;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Lease;
import com.google.longrunning.Operation;
import com.google.longrunning.OperationsGrpc;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** REAPI clients and what they send, for tests. */
final class TestActions {
  private TestActions() {}

  static Digest put(TestFarm farm, Message message) {
    return Wire.digest(farm.blobs.add(message.toByteArray()));
  }

  static Command command(String... outputs) {
    return Command.newBuilder()
        .addArguments("/usr/bin/cc")
        .addAllOutputPaths(List.of(outputs))
        .build();
  }

  static Digest action(TestFarm farm, Command command) {
    return action(farm, command, Action.getDefaultInstance());
  }

  static Digest action(TestFarm farm, Command command, Action rest) {
    Digest root = put(farm, Directory.getDefaultInstance());
    return put(
        farm,
        rest.toBuilder()
            .setCommandDigest(put(farm, command))
            .setInputRootDigest(rest.hasInputRootDigest() ? rest.getInputRootDigest() : root)
            .build());
  }

  static ExecutionGrpc.ExecutionBlockingStub execution(TestFarm farm) {
    return ExecutionGrpc.newBlockingStub(farm.connect()).withDeadlineAfter(150, TimeUnit.SECONDS);
  }

  static OperationsGrpc.OperationsBlockingStub operations(TestFarm farm) {
    return OperationsGrpc.newBlockingStub(farm.connect()).withDeadlineAfter(150, TimeUnit.SECONDS);
  }

  static ExecuteRequest request(Digest action) {
    return ExecuteRequest.newBuilder().setActionDigest(action).build();
  }

  static CompleteRequest result(ScriptedExecutor executor, Lease lease, int exitCode) {
    return executor
        .outcome(lease)
        .setActionResult(ActionResult.newBuilder().setExitCode(exitCode))
        .build();
  }

  static ExecuteResponse last(Iterator<Operation> operations)
      throws InvalidProtocolBufferException {
    Operation last = operations.next();
    while (operations.hasNext()) {
      last = operations.next();
    }
    assertTrue(last.getDone());
    assertFalse(last.hasError());
    return last.getResponse().unpack(ExecuteResponse.class);
  }

  static ExecutionStage.Value stage(Operation operation) throws InvalidProtocolBufferException {
    return operation.getMetadata().unpack(ExecuteOperationMetadata.class).getStage();
  }
}
