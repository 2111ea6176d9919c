package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.refused;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.ExecuteOperationMetadata;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.ExecutionStage;
import build.bazel.remote.execution.v2.Platform;
import build.bazel.remote.execution.v2.WaitExecutionRequest;
import com.google.longrunning.CancelOperationRequest;
import com.google.longrunning.GetOperationRequest;
import com.google.longrunning.Operation;
import com.google.protobuf.Duration;
import io.grpc.Status.Code;
import java.util.List;

/** Execution as seen by who waits: operations, their ends, and what never ends. */
final class OperationRules {
  private static final String PROTO = "remote_execution.proto, ";

  private OperationRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule(
            "A timeout is DEADLINE_EXCEEDED in the response, not an error of the operation",
            PROTO + "Action.timeout; Execution.Execute: errors",
            OperationRules::timeout),
        new Rule(
            "A property that nobody offers fails instead of waiting for ever",
            PROTO + "Execution.Execute: no worker",
            OperationRules::unmatched),
        new Rule(
            "An operation that nobody knows is NOT_FOUND",
            PROTO + "Execution.WaitExecution: errors",
            OperationRules::unknownOperation),
        new Rule(
            "An instance that nobody configured is refused",
            PROTO + "ExecuteRequest.instance_name",
            OperationRules::unknownInstance),
        new Rule(
            "WaitExecution joins an action that runs and hears its end",
            PROTO + "Execution.WaitExecution",
            OperationRules::joined),
        new Rule(
            "The metadata of an operation names its action, and COMPLETED at the end",
            PROTO + "ExecuteOperationMetadata",
            OperationRules::metadata),
        new Rule(
            "An operation that is cancelled ends as CANCELLED",
            "longrunning/operations.proto, CancelOperation",
            OperationRules::cancelled));
  }

  private static void timeout(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action =
        actions.make(
            Actions.shell("sleep 50 " + actions.unseen()),
            Actions.NO_INPUTS,
            Action.newBuilder()
                .setTimeout(Duration.newBuilder().setSeconds(1))
                .setDoNotCache(true)
                .build());
    int code = actions.execute(action, false).getStatus().getCode();
    require(code == Code.DEADLINE_EXCEEDED.value(), "its status is " + code);
  }

  @SuppressWarnings("deprecation") // clients before API 2.2 send it there, and servers may want it
  private static void unmatched(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Platform platform =
        Platform.newBuilder()
            .addProperties(
                Platform.Property.newBuilder().setName("OSFamily").setValue("no-such-system"))
            .build();
    Digest action =
        actions.make(
            Actions.shell("true " + actions.unseen()).setPlatform(platform),
            Actions.NO_INPUTS,
            Action.newBuilder().setPlatform(platform).build());
    com.google.rpc.Status status = actions.failure(action);
    require(
        status.getCode() != 0 && status.getCode() != Code.DEADLINE_EXCEEDED.value(),
        "it ran, or waited: " + status);
  }

  private static void unknownOperation(Subject server) throws Exception {
    server.needsExecution();
    String name = server.inInstance("operations/00000000-0000-0000-0000-000000000000");
    refused(
        () ->
            Actions.last(
                server
                    .execution()
                    .waitExecution(WaitExecutionRequest.newBuilder().setName(name).build())),
        Code.NOT_FOUND);
    refused(
        () ->
            server
                .operations()
                .getOperation(GetOperationRequest.newBuilder().setName(name).build()),
        Code.NOT_FOUND,
        Code.UNIMPLEMENTED);
  }

  private static void unknownInstance(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action = actions.make(Actions.shell("true " + actions.unseen()));
    refused(
        () ->
            Actions.last(
                server
                    .execution()
                    .execute(
                        actions.request(action, false).toBuilder()
                            .setInstanceName("no/such-instance")
                            .build())),
        Code.NOT_FOUND,
        Code.INVALID_ARGUMENT,
        Code.PERMISSION_DENIED);
  }

  private static void joined(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action = actions.make(Actions.shell("sleep 2; echo waited " + actions.unseen()));
    Operation begun = server.execution().execute(actions.request(action, false)).next();
    Operation ended =
        Actions.last(
            server
                .execution()
                .waitExecution(WaitExecutionRequest.newBuilder().setName(begun.getName()).build()));
    require(ended.getDone(), "the stream ended before the operation");
    ActionResult result = ended.getResponse().unpack(ExecuteResponse.class).getResult();
    require(actions.printed(result).toStringUtf8().equals("waited\n"), "it got " + result);
  }

  private static void metadata(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action = actions.make(Actions.shell("true " + actions.unseen()));
    Operation ended = Actions.last(server.execution().execute(actions.request(action, false)));
    ExecuteOperationMetadata metadata = ended.getMetadata().unpack(ExecuteOperationMetadata.class);
    require(metadata.getActionDigest().equals(action), "it names another action: " + metadata);
    require(
        metadata.getStage() == ExecutionStage.Value.COMPLETED,
        "its stage at the end is " + metadata.getStage());
  }

  private static void cancelled(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action = actions.make(Actions.shell("sleep 50 " + actions.unseen()));
    Operation begun = server.execution().execute(actions.request(action, false)).next();
    server
        .operations()
        .cancelOperation(CancelOperationRequest.newBuilder().setName(begun.getName()).build());
    Operation ended =
        Actions.last(
            server
                .execution()
                .waitExecution(WaitExecutionRequest.newBuilder().setName(begun.getName()).build()));
    int code =
        ended.hasError()
            ? ended.getError().getCode()
            : ended.getResponse().unpack(ExecuteResponse.class).getStatus().getCode();
    require(code == Code.CANCELLED.value(), "its status is " + code);
  }
}
