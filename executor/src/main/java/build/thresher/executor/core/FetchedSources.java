package build.thresher.executor.core;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.client.SourceQuestion;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.client.WireTimes;
import build.thresher.executor.inputs.RemoteSources;
import build.thresher.executor.inputs.SourceFile;
import build.thresher.executor.inputs.SourceUnavailableException;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Has sources fetched by the farm's Remote Asset service. Thread-safe; calls block. */
final class FetchedSources implements RemoteSources {
  private static final Duration LIMIT = Duration.ofMinutes(30);

  private final FetchGrpc.FetchBlockingStub fetch;

  FetchedSources(Channel channel) {
    this.fetch = FetchGrpc.newBlockingStub(channel);
  }

  @Override
  public Digest fetch(Scope scope, SourceFile source)
      throws SourceUnavailableException, StoreUnavailableException {
    FetchBlobRequest request = request(scope, source);
    FetchBlobResponse response;
    try {
      response =
          fetch
              .withDeadlineAfter(LIMIT.plusMinutes(1).toSeconds(), TimeUnit.SECONDS)
              .fetchBlob(request);
    } catch (StatusRuntimeException e) {
      if (e.getStatus().getCode() == Status.Code.UNAVAILABLE) {
        throw new StoreUnavailableException(
            "the farm was asked for a source: " + e.getMessage(), e);
      }
      throw unavailable(source, String.valueOf(e.getStatus().getDescription()), e);
    }
    if (response.getStatus().getCode() != 0) {
      throw unavailable(source, response.getStatus().getMessage(), null);
    }
    try {
      Digest digest = WireDigests.fromWire(response.getBlobDigest());
      if (source.git().isEmpty() && !digest.hex().equals(source.sha256())) {
        throw unavailable(source, "the farm answered with the blob " + digest, null);
      }
      return digest;
    } catch (IllegalArgumentException e) {
      throw unavailable(source, "the farm answered with a malformed digest", e);
    }
  }

  private static FetchBlobRequest request(Scope scope, SourceFile source) {
    SourceQuestion question =
        new SourceQuestion(scope.instance(), source.urls(), source.mirrorPath(), source.name());
    FetchBlobRequest request =
        source
            .git()
            .map(
                git ->
                    question.commit(
                        git.commit(),
                        git.ref(),
                        git.submodules(),
                        git.removed(),
                        git.sparse(),
                        git.fullHistory()))
            .orElseGet(() -> question.archive(source.sha256()));
    return request.toBuilder().setTimeout(WireTimes.toWire(LIMIT)).build();
  }

  private static SourceUnavailableException unavailable(
      SourceFile source, String why, @org.jspecify.annotations.Nullable Throwable cause) {
    return new SourceUnavailableException(
        "cannot fetch " + source.mirrorPath() + " from " + source.urls() + ": " + why, cause);
  }
}
