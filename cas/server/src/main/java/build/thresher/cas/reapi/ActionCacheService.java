package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.ActionCacheGrpc;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.GetActionResultRequest;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.UpdateActionResultRequest;
import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;

/**
 * The action cache over the Remote Execution API. A result is complete or NOT_FOUND. What a client
 * asks to see inline is put into the answer while that stays small; the rest keeps its digest only.
 *
 * <p>Its methods block: the server's executor must give each call a (virtual) thread.
 */
public final class ActionCacheService extends ActionCacheGrpc.ActionCacheImplBase {
  /** Of an answer with all that is inline; clients take 4 MiB. */
  private static final long MAX_ANSWER_BYTES = 3 << 20;

  private final ActionCache cache;
  private final BlobStore blobs;
  private final Wire wire;
  private final ResultUpdates updates;

  public ActionCacheService(
      ActionCache cache, BlobStore blobs, InstanceNames instances, ResultUpdates updates) {
    this.cache = cache;
    this.blobs = blobs;
    this.wire = new Wire(instances);
    this.updates = updates;
  }

  @Override
  public void getActionResult(
      GetActionResultRequest request, StreamObserver<ActionResult> observer) {
    Answers.answer(
        observer,
        () -> {
          Scope scope = wire.scope(request.getInstanceName(), request.getDigestFunction());
          Digest action = WireDigests.fromWire(request.getActionDigest());
          byte[] found =
              cache
                  .find(scope, action)
                  .orElseThrow(
                      () ->
                          Status.NOT_FOUND
                              .withDescription("no result of action " + action + " is known")
                              .asRuntimeException());
          return withInline(scope, ActionResult.parseFrom(found), request);
        });
  }

  private ActionResult withInline(Scope scope, ActionResult result, GetActionResultRequest request)
      throws IOException {
    if (!request.getInlineStdout()
        && !request.getInlineStderr()
        && request.getInlineOutputFilesCount() == 0) {
      return result;
    }
    long room = MAX_ANSWER_BYTES - result.getSerializedSize();
    ActionResult.Builder answer = result.toBuilder();
    if (request.getInlineStdout() && result.getStdoutRaw().isEmpty() && result.hasStdoutDigest()) {
      ByteString bytes = read(scope, result.getStdoutDigest(), room);
      room -= bytes.size();
      answer.setStdoutRaw(bytes);
    }
    if (request.getInlineStderr() && result.getStderrRaw().isEmpty() && result.hasStderrDigest()) {
      ByteString bytes = read(scope, result.getStderrDigest(), room);
      room -= bytes.size();
      answer.setStderrRaw(bytes);
    }
    Set<String> wanted = new HashSet<>(request.getInlineOutputFilesList());
    for (OutputFile.Builder file : answer.getOutputFilesBuilderList()) {
      if (wanted.contains(file.getPath()) && file.getContents().isEmpty()) {
        ByteString bytes = read(scope, file.getDigest(), room);
        room -= bytes.size();
        file.setContents(bytes);
      }
    }
    return answer.build();
  }

  /** Empty where there is no room for it. */
  private ByteString read(Scope scope, build.bazel.remote.execution.v2.Digest wanted, long room)
      throws IOException {
    return wanted.getSizeBytes() > room
        ? ByteString.EMPTY
        : UnsafeByteOperations.unsafeWrap(blobs.readAll(scope, WireDigests.fromWire(wanted)));
  }

  @Override
  public void updateActionResult(
      UpdateActionResultRequest request, StreamObserver<ActionResult> observer) {
    Answers.answer(
        observer,
        () -> {
          Scope scope = wire.scope(request.getInstanceName(), request.getDigestFunction());
          if (!updates.allowed().getAsBoolean()) {
            throw Status.PERMISSION_DENIED
                .withDescription(
                    "only the farm's executors write results of actions here; "
                        + updates.howToAllow())
                .asRuntimeException();
          }
          Digest action = WireDigests.fromWire(request.getActionDigest());
          if (!request.hasActionResult()) {
            throw new IllegalArgumentException("an update names the result to be remembered");
          }
          try {
            cache.put(scope, action, request.getActionResult().toByteArray());
          } catch (BlobNotFoundException e) {
            throw Status.FAILED_PRECONDITION
                .withDescription("the result names blob " + e.digest() + ", which was not uploaded")
                .asRuntimeException();
          }
          return request.getActionResult();
        });
  }
}
