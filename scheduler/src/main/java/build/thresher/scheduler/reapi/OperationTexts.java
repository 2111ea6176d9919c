package build.thresher.scheduler.reapi;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.ExecuteOperationMetadata;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.ExecutedActionMetadata;
import build.bazel.remote.execution.v2.ExecutionStage;
import build.bazel.remote.execution.v2.LogFile;
import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.logs.LogStream;
import build.thresher.scheduler.wire.Wire;
import com.google.common.base.Splitter;
import com.google.longrunning.Operation;
import com.google.protobuf.Any;
import com.google.rpc.Code;
import com.google.rpc.Status;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * How a request of an action stands, as the operation that clients see. {@code Operation.error} is
 * never set: what went wrong is the status inside the response, as the API says.
 */
final class OperationTexts {
  private final BlobStore blobs;
  private final ActionCache actionCache;

  OperationTexts(BlobStore blobs, ActionCache actionCache) {
    this.blobs = blobs;
    this.actionCache = actionCache;
  }

  static String name(RequestHead head) {
    return head.instance() + "/operations/" + head.id();
  }

  /** The request that an operation stands for; empty when it is no name of an operation. */
  static Optional<String> requestId(String operation) {
    int slash = operation.lastIndexOf('/');
    return slash > 0 && operation.substring(0, slash).endsWith("/operations")
        ? Optional.of(operation.substring(slash + 1))
        : Optional.empty();
  }

  /** What the root of an action's request begins with: see TaskKey. */
  static Digest action(RequestHead head) {
    List<String> parts = Splitter.on('/').splitToList(head.roots().getFirst());
    return Digest.parse(parts.get(0), Long.parseLong(parts.get(1)));
  }

  /** Not over yet. */
  Operation running(RequestHead head, TaskSnapshot task) {
    ExecutionStage.Value stage =
        switch (task.state()) {
          case WAITING, READY -> ExecutionStage.Value.QUEUED;
          case LEASED, PUBLISHING -> ExecutionStage.Value.EXECUTING;
          case SUCCEEDED, FAILED, SKIPPED, CANCELLED -> ExecutionStage.Value.EXECUTING;
        };
    ExecuteOperationMetadata.Builder metadata = metadata(head, stage);
    ExecutedActionMetadata.Builder partial = metadata.getPartialExecutionMetadataBuilder();
    partial.setQueuedTimestamp(Wire.timestamp(head.created()));
    if (task.execution() != null && stage == ExecutionStage.Value.EXECUTING) {
      String execution = task.execution().fence().execution();
      metadata
          .setStdoutStreamName(LiveOutputs.name(execution, LogStream.STDOUT))
          .setStderrStreamName(LiveOutputs.name(execution, LogStream.STDERR));
      partial
          .setWorker(task.execution().executor().name())
          .setWorkerStartTimestamp(Wire.timestamp(task.execution().started()));
    }
    return operation(head, metadata).build();
  }

  /** Live or over; for those who ask once. */
  Operation asItStands(RequestSnapshot request) throws IOException {
    return request.state() == RequestState.ACTIVE && !request.tasks().isEmpty()
        ? running(request.head(), request.tasks().getFirst())
        : finished(request, Inlining.NONE);
  }

  Operation finished(RequestSnapshot request, Inlining inlining) throws IOException {
    ExecuteResponse response = response(request, inlining);
    ExecuteOperationMetadata.Builder metadata =
        metadata(request.head(), ExecutionStage.Value.COMPLETED);
    if (response.getResult().hasExecutionMetadata()) {
      metadata.setPartialExecutionMetadata(response.getResult().getExecutionMetadata());
    }
    return done(operation(request.head(), metadata), response);
  }

  /** A result that was there before anybody asked. */
  Operation cached(String name, Digest action, ActionResult result) {
    return done(
        Operation.newBuilder()
            .setName(name)
            .setMetadata(
                Any.pack(
                    ExecuteOperationMetadata.newBuilder()
                        .setStage(ExecutionStage.Value.COMPLETED)
                        .setActionDigest(Wire.digest(action))
                        .setDigestFunction(DigestFunction.Value.SHA256)
                        .build())),
        ExecuteResponse.newBuilder().setResult(result).setCachedResult(true).build());
  }

  private ExecuteResponse response(RequestSnapshot request, Inlining inlining) throws IOException {
    RequestHead head = request.head();
    if (request.tasks().isEmpty()) {
      return finishedJustBefore(head, inlining);
    }
    TaskSnapshot task = request.tasks().getFirst();
    if (request.state() == RequestState.CANCELLED) {
      return failed(Problems.of(Code.CANCELLED, "the operation was cancelled"));
    }
    if (task.ending().outputs() instanceof ActionOutputs outputs) {
      ActionResult result = ActionResult.parseFrom(outputs.actionResult());
      return ExecuteResponse.newBuilder()
          .setResult(inlining.into(result, blobs, Scope.farm(head.instance())))
          .setStatus(Status.getDefaultInstance())
          .build();
    }
    Failure failure = task.ending().failure();
    ExecuteResponse.Builder response =
        failed(
            failure == null
                ? Problems.of(Code.INTERNAL, "the action ended without a result")
                : status(failure))
            .toBuilder();
    if (task.ending().log() != null) {
      response.putServerLogs(
          "log",
          LogFile.newBuilder()
              .setDigest(Wire.digest(task.ending().log()))
              .setHumanReadable(true)
              .build());
    }
    return response.build();
  }

  /** Somebody else's run ended between the look into the cache and the submission. */
  private ExecuteResponse finishedJustBefore(RequestHead head, Inlining inlining)
      throws IOException {
    Scope scope = Scope.farm(head.instance());
    Optional<byte[]> known = actionCache.find(scope, action(head));
    if (known.isEmpty()) {
      return failed(
          Problems.of(Code.UNAVAILABLE, "the result was evicted before it was sent; call again"));
    }
    return ExecuteResponse.newBuilder()
        .setResult(inlining.into(ActionResult.parseFrom(known.get()), blobs, scope))
        .setCachedResult(true)
        .build();
  }

  private static ExecuteResponse failed(Status status) {
    return ExecuteResponse.newBuilder().setStatus(status).setMessage(status.getMessage()).build();
  }

  private static Status status(Failure failure) {
    if (!failure.missingBlobs().isEmpty()) {
      return Problems.missing(failure.message(), failure.missingBlobs());
    }
    Code code =
        switch (failure.failureClass()) {
          case TIMEOUT -> Code.DEADLINE_EXCEEDED;
          case OUT_OF_MEMORY -> Code.RESOURCE_EXHAUSTED;
          case INFRASTRUCTURE, SOURCE -> Code.UNAVAILABLE;
          case INPUT, RECIPE -> Code.INVALID_ARGUMENT;
          case UNSCHEDULABLE -> Code.FAILED_PRECONDITION;
        };
    return Problems.of(code, failure.message());
  }

  private static ExecuteOperationMetadata.Builder metadata(
      RequestHead head, ExecutionStage.Value stage) {
    return ExecuteOperationMetadata.newBuilder()
        .setStage(stage)
        .setActionDigest(Wire.digest(action(head)))
        .setDigestFunction(DigestFunction.Value.SHA256);
  }

  private static Operation.Builder operation(
      RequestHead head, ExecuteOperationMetadata.Builder metadata) {
    return Operation.newBuilder().setName(name(head)).setMetadata(Any.pack(metadata.build()));
  }

  private static Operation done(Operation.Builder operation, ExecuteResponse response) {
    return operation.setDone(true).setResponse(Any.pack(response)).build();
  }
}
