package build.thresher.cas.reapi;

import build.bazel.remote.asset.v1.PushBlobRequest;
import build.bazel.remote.asset.v1.PushBlobResponse;
import build.bazel.remote.asset.v1.PushDirectoryRequest;
import build.bazel.remote.asset.v1.PushDirectoryResponse;
import build.bazel.remote.asset.v1.PushGrpc;
import build.bazel.remote.asset.v1.Qualifier;
import build.bazel.remote.execution.v2.DigestFunction;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.assets.AssetTable;
import build.thresher.cas.assets.PushedAssets.Kind;
import build.thresher.cas.assets.PushedAssets.Name;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.client.WireTimes;
import build.thresher.cas.sources.Qualifiers;
import com.google.protobuf.Timestamp;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * Remote Asset's {@code Push}: what an address stands for. Everybody who asks for the address
 * believes it, so who may push is who may write results of actions.
 *
 * <p>Its methods block: the server's executor must give each call a (virtual) thread.
 */
public final class PushService extends PushGrpc.PushImplBase {
  private static final int MAX_REFERENCES = 100_000;

  private final AssetTable assets;
  private final Wire wire;
  private final ResultUpdates updates;

  public PushService(AssetTable assets, InstanceNames instances, ResultUpdates updates) {
    this.assets = assets;
    this.wire = new Wire(instances);
    this.updates = updates;
  }

  /** What both calls have in common. */
  private record Pushed(
      String instance,
      DigestFunction.Value function,
      Kind kind,
      List<String> uris,
      List<Qualifier> qualifiers,
      build.bazel.remote.execution.v2.Digest digest,
      List<build.bazel.remote.execution.v2.Digest> blobs,
      List<build.bazel.remote.execution.v2.Digest> directories,
      Optional<Timestamp> expires) {}

  @Override
  public void pushBlob(PushBlobRequest request, StreamObserver<PushBlobResponse> observer) {
    Answers.answer(
        observer,
        () -> {
          push(
              new Pushed(
                  request.getInstanceName(),
                  request.getDigestFunction(),
                  Kind.BLOB,
                  request.getUrisList(),
                  request.getQualifiersList(),
                  request.getBlobDigest(),
                  request.getReferencesBlobsList(),
                  request.getReferencesDirectoriesList(),
                  request.hasExpireAt() ? Optional.of(request.getExpireAt()) : Optional.empty()));
          return PushBlobResponse.getDefaultInstance();
        });
  }

  @Override
  public void pushDirectory(
      PushDirectoryRequest request, StreamObserver<PushDirectoryResponse> observer) {
    Answers.answer(
        observer,
        () -> {
          push(
              new Pushed(
                  request.getInstanceName(),
                  request.getDigestFunction(),
                  Kind.DIRECTORY,
                  request.getUrisList(),
                  request.getQualifiersList(),
                  request.getRootDirectoryDigest(),
                  request.getReferencesBlobsList(),
                  request.getReferencesDirectoriesList(),
                  request.hasExpireAt() ? Optional.of(request.getExpireAt()) : Optional.empty()));
          return PushDirectoryResponse.getDefaultInstance();
        });
  }

  private void push(Pushed pushed) throws IOException {
    Scope scope = wire.scope(pushed.instance(), pushed.function());
    if (!updates.allowed().getAsBoolean()) {
      throw Status.PERMISSION_DENIED
          .withDescription("clients do not push assets here; " + updates.howToAllow())
          .asRuntimeException();
    }
    Qualifiers qualifiers = Qualifiers.parse(pushed.qualifiers());
    Qualifiers.checkUris(pushed.uris());
    if (pushed.uris().isEmpty()) {
      throw new IllegalArgumentException("a push names at least one address");
    }
    if (pushed.blobs().size() + pushed.directories().size() > MAX_REFERENCES) {
      throw new IllegalArgumentException("more than " + MAX_REFERENCES + " references");
    }
    Digest digest = WireDigests.fromWire(pushed.digest());
    Optional<Instant> expires = pushed.expires().map(WireTimes::fromWire);
    List<Name> names =
        pushed.uris().stream()
            .map(uri -> new Name(pushed.kind(), uri, qualifiers.ofAssets()))
            .toList();
    try {
      assets.push(
          scope,
          names,
          digest,
          pushed.blobs().stream().map(WireDigests::fromWire).toList(),
          pushed.directories().stream().map(WireDigests::fromWire).toList(),
          expires);
    } catch (BlobNotFoundException e) {
      throw Status.FAILED_PRECONDITION
          .withDescription("the asset names blob " + e.digest() + ", which was not uploaded")
          .asRuntimeException();
    }
  }
}
