package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.GetActionResultRequest;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.UpdateActionResultRequest;
import com.google.longrunning.Operation;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Iterator;

/** Makes actions of {@code /bin/sh} on a server, runs them and looks up their results. */
final class Actions {
  static final Digest NO_INPUTS = digest(ByteString.EMPTY);

  private final Subject server;

  Actions(Subject server) {
    this.server = server;
  }

  /**
   * @throws NotOfferedException when the server runs none
   */
  static Actions thatRun(Subject server) throws NotOfferedException {
    server.needsExecution();
    return new Actions(server);
  }

  static Command.Builder shell(String script) {
    return Command.newBuilder()
        .addArguments("/bin/sh")
        .addArguments("-c")
        .addArguments(script)
        .addEnvironmentVariables(
            Command.EnvironmentVariable.newBuilder().setName("PATH").setValue("/usr/bin:/bin"));
  }

  /** A comment that makes a script one that the server has never seen. */
  String unseen() {
    return "# " + server.fresh().toStringUtf8();
  }

  Digest make(Command.Builder command) throws BrokenRuleException {
    return make(command, NO_INPUTS, Action.getDefaultInstance());
  }

  Digest make(Command.Builder command, Digest root, Action extra) throws BrokenRuleException {
    if (root.equals(NO_INPUTS)) {
      server.upload(ByteString.EMPTY);
    }
    return server.upload(
        extra.toBuilder()
            .setCommandDigest(server.upload(command.build()))
            .setInputRootDigest(root)
            .build());
  }

  ExecuteRequest request(Digest action, boolean skipLookup) {
    return ExecuteRequest.newBuilder()
        .setInstanceName(server.instance())
        .setActionDigest(action)
        .setSkipCacheLookup(skipLookup)
        .build();
  }

  /** The last message of a stream. */
  static Operation last(Iterator<Operation> operations) {
    Operation last = Operation.getDefaultInstance();
    while (operations.hasNext()) {
      last = operations.next();
    }
    return last;
  }

  ExecuteResponse execute(Digest action, boolean skipLookup)
      throws BrokenRuleException, InvalidProtocolBufferException {
    Operation operation = last(server.execution().execute(request(action, skipLookup)));
    require(operation.getDone(), "the stream ended before the operation");
    require(!operation.hasError(), "Operation.error is set: " + operation.getError());
    return operation.getResponse().unpack(ExecuteResponse.class);
  }

  /** Runs it; whatever its exit code is, it has to have run. */
  ActionResult ran(Digest action) throws BrokenRuleException, InvalidProtocolBufferException {
    ExecuteResponse response = execute(action, false);
    require(response.getStatus().getCode() == 0, "the status is " + response.getStatus());
    return response.getResult();
  }

  /** How an action that cannot run fails: as the call, or inside the operation's response. */
  com.google.rpc.Status failure(Digest action)
      throws BrokenRuleException, InvalidProtocolBufferException {
    try {
      return execute(action, false).getStatus();
    } catch (StatusRuntimeException e) {
      com.google.rpc.Status status = StatusProto.fromThrowable(e);
      return status == null
          ? com.google.rpc.Status.newBuilder()
              .setCode(Status.fromThrowable(e).getCode().value())
              .build()
          : status;
    }
  }

  void requireRefused(Digest action) throws BrokenRuleException, InvalidProtocolBufferException {
    com.google.rpc.Status status = failure(action);
    require(
        status.getCode() == Status.Code.INVALID_ARGUMENT.value()
            || status.getCode() == Status.Code.FAILED_PRECONDITION.value(),
        "it answered " + status.getCode() + " " + status.getMessage());
  }

  ByteString printed(ActionResult result) {
    return result.hasStdoutDigest()
        ? server.read(result.getStdoutDigest()).getData()
        : result.getStdoutRaw();
  }

  /** What the action cache has. */
  ActionResult cached(Digest action) {
    return server
        .actionCache()
        .getActionResult(
            GetActionResultRequest.newBuilder()
                .setInstanceName(server.instance())
                .setActionDigest(action)
                .build());
  }

  /** Says that the action made a file. */
  void put(Digest action, Digest output) {
    server
        .actionCache()
        .updateActionResult(
            UpdateActionResultRequest.newBuilder()
                .setInstanceName(server.instance())
                .setActionDigest(action)
                .setActionResult(
                    ActionResult.newBuilder()
                        .addOutputFiles(OutputFile.newBuilder().setPath("out").setDigest(output)))
                .build());
  }
}
