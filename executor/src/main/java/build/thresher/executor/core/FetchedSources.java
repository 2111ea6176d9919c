package build.thresher.executor.core;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.asset.v1.Qualifier;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.executor.inputs.RemoteSources;
import build.thresher.executor.inputs.SourceFile;
import build.thresher.executor.inputs.SourceUnavailableException;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.concurrent.TimeUnit;

/** Has sources fetched by the farm's Remote Asset service. Thread-safe; calls block. */
final class FetchedSources implements RemoteSources {
  private static final Duration LIMIT = Duration.ofMinutes(30);

  private final FetchGrpc.FetchBlockingStub fetch;

  FetchedSources(Channel channel) {
    this.fetch = FetchGrpc.newBlockingStub(channel);
  }

  @Override
  public Digest fetch(Scope scope, SourceFile source) throws SourceUnavailableException {
    byte[] sha256 = HexFormat.of().parseHex(source.sha256());
    FetchBlobRequest request =
        FetchBlobRequest.newBuilder()
            .setInstanceName(scope.instance())
            .setTimeout(Wire.duration(LIMIT))
            .addAllUris(source.urls())
            .addQualifiers(
                qualifier("checksum.sri", "sha256-" + Base64.getEncoder().encodeToString(sha256)))
            .addQualifiers(qualifier("thresher.mirror_path", source.mirrorPath()))
            .build();
    FetchBlobResponse response;
    try {
      response =
          fetch
              .withDeadlineAfter(LIMIT.plusMinutes(1).toSeconds(), TimeUnit.SECONDS)
              .fetchBlob(request);
    } catch (StatusRuntimeException e) {
      throw unavailable(source, String.valueOf(e.getStatus().getDescription()), e);
    }
    if (response.getStatus().getCode() != 0) {
      throw unavailable(source, response.getStatus().getMessage(), null);
    }
    try {
      Digest digest = Wire.digest(response.getBlobDigest());
      if (!digest.hex().equals(source.sha256())) {
        throw unavailable(source, "the farm answered with the blob " + digest, null);
      }
      return digest;
    } catch (IllegalArgumentException e) {
      throw unavailable(source, "the farm answered with a malformed digest", e);
    }
  }

  private static Qualifier qualifier(String name, String value) {
    return Qualifier.newBuilder().setName(name).setValue(value).build();
  }

  private static SourceUnavailableException unavailable(
      SourceFile source, String why, @org.jspecify.annotations.Nullable Throwable cause) {
    return new SourceUnavailableException(
        "cannot fetch " + source.mirrorPath() + " from " + source.urls() + ": " + why, cause);
  }
}
