package build.thresher.executor.core;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.asset.v1.Qualifier;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.inputs.GitVersion;
import build.thresher.executor.inputs.RemoteSources;
import build.thresher.executor.inputs.SourceFile;
import build.thresher.executor.inputs.SourceUnavailableException;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
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
    FetchBlobRequest.Builder request =
        FetchBlobRequest.newBuilder()
            .setInstanceName(scope.instance())
            .setTimeout(Wire.duration(LIMIT))
            .addAllUris(source.urls())
            .addQualifiers(qualifier("thresher.mirror_path", source.mirrorPath()));
    if (!source.name().isEmpty()) {
      request.addQualifiers(qualifier("thresher.mirror_name", source.name()));
    }
    source
        .git()
        .ifPresentOrElse(
            git -> addGit(request, git),
            () -> {
              byte[] sha256 = HexFormat.of().parseHex(source.sha256());
              request.addQualifiers(
                  qualifier(
                      "checksum.sri", "sha256-" + Base64.getEncoder().encodeToString(sha256)));
            });
    FetchBlobResponse response;
    try {
      response =
          fetch
              .withDeadlineAfter(LIMIT.plusMinutes(1).toSeconds(), TimeUnit.SECONDS)
              .fetchBlob(request.build());
    } catch (StatusRuntimeException e) {
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

  private static void addGit(FetchBlobRequest.Builder request, GitVersion git) {
    request.addQualifiers(qualifier("vcs.commit", git.commit()));
    if (!git.ref().isEmpty()) {
      request.addQualifiers(qualifier("vcs.branch", git.ref()));
    }
    addPaths(request, "thresher.git_submodules", git.submodules());
    addPaths(request, "thresher.git_removed", git.removed());
    addPaths(request, "thresher.git_sparse", git.sparse());
    if (git.fullHistory()) {
      request.addQualifiers(qualifier("thresher.git_full_history", "true"));
    }
  }

  private static void addPaths(FetchBlobRequest.Builder request, String name, List<String> paths) {
    if (!paths.isEmpty()) {
      request.addQualifiers(qualifier(name, String.join("\n", paths)));
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
