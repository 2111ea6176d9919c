package build.thresher.cas.sources;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchDirectoryRequest;
import build.bazel.remote.asset.v1.FetchDirectoryResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.execution.v2.DigestFunction;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.assets.PushedAssets;
import build.thresher.cas.assets.PushedAssets.Asset;
import build.thresher.cas.assets.PushedAssets.Kind;
import build.thresher.cas.assets.PushedAssets.Name;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.client.WireTimes;
import com.google.protobuf.Timestamp;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Remote Asset's {@code Fetch}. What was pushed for an address is given out as it was pushed; else
 * a blob is fetched, which needs {@code checksum.sri}, for nothing without a checksum counts as
 * verified. A directory is fetched as an archive, which the checksum is of, and unpacked. What is
 * in repositories of version control systems is given out when it was pushed.
 *
 * <p>Qualifiers: see {@link Qualifiers}. Malformed requests fail the call; what concerns the
 * addresses stands in the response's status. A request's timeout ends the call, not the fetch.
 *
 * <p>Threading: each call blocks its thread, so the server must run calls on virtual threads.
 */
public final class SourceFetchService extends FetchGrpc.FetchImplBase {
  private static final Logger LOG = LoggerFactory.getLogger(SourceFetchService.class);

  private final SourceFetcher fetcher;
  private final PushedAssets assets;
  private final BlobStore blobs;
  private final UnaryOperator<String> instances;

  /**
   * @param assets looked at before anything is fetched
   * @param blobs where both are
   * @param instances gives the one name of an instance, or throws IllegalArgumentException
   */
  public SourceFetchService(
      SourceFetcher fetcher,
      PushedAssets assets,
      BlobStore blobs,
      UnaryOperator<String> instances) {
    this.fetcher = fetcher;
    this.assets = assets;
    this.blobs = blobs;
    this.instances = instances;
  }

  @Override
  public void fetchBlob(FetchBlobRequest request, StreamObserver<FetchBlobResponse> observer) {
    answer(observer, () -> fetch(request));
  }

  @Override
  public void fetchDirectory(
      FetchDirectoryRequest request, StreamObserver<FetchDirectoryResponse> observer) {
    answer(observer, () -> fetch(request));
  }

  private interface Answer<T> {
    T make() throws IOException;
  }

  private static <T> void answer(StreamObserver<T> observer, Answer<T> answer) {
    try {
      observer.onNext(answer.make());
      observer.onCompleted();
    } catch (IllegalArgumentException e) {
      fail(observer, Status.INVALID_ARGUMENT, e.getMessage());
    } catch (StoreUnavailableException e) {
      fail(observer, Status.UNAVAILABLE, e.getMessage());
    } catch (IOException | RuntimeException e) {
      LOG.error("a source could not be fetched or stored", e);
      fail(observer, Status.INTERNAL, "the server failed; its log says why");
    }
  }

  private FetchBlobResponse fetch(FetchBlobRequest request) throws IOException {
    Scope scope = scope(request.getInstanceName(), request.getDigestFunction());
    Qualifiers qualifiers = Qualifiers.parse(request.getQualifiersList());
    Qualifiers.checkUris(request.getUrisList());
    Optional<Checksums> checksums = qualifiers.checksums();
    FetchBlobResponse.Builder response =
        FetchBlobResponse.newBuilder().addAllQualifiers(request.getQualifiersList());
    Optional<GitRequest> git = qualifiers.git();
    if (git.isPresent()) {
      return fetch(scope, git.get(), qualifiers, request);
    }
    Optional<Found> pushed =
        pushed(
            scope,
            Kind.BLOB,
            request.getUrisList(),
            qualifiers,
            oldest(request.hasOldestContentAccepted(), request.getOldestContentAccepted()));
    if (pushed.isPresent() && (checksums.isEmpty() || fits(scope, pushed.get(), checksums.get()))) {
      pushed.get().asset().expiresAt().map(WireTimes::toWire).ifPresent(response::setExpiresAt);
      return response
          .setUri(pushed.get().uri())
          .setDigestFunction(DigestFunction.Value.SHA256)
          .setBlobDigest(WireDigests.toWire(pushed.get().asset().digest()))
          .build();
    }
    if (!qualifiers.directory().isEmpty()) {
      throw new IllegalArgumentException(
          "the qualifier directory narrows down what FetchDirectory gives, not FetchBlob");
    }
    try {
      SourceFetcher.Fetched fetched =
          Patience.within(
              WireTimes.fromWire(request.getTimeout()),
              () -> fetch(scope, request.getUrisList(), qualifiers));
      response
          .setStatus(com.google.rpc.Status.getDefaultInstance())
          .setUri(fetched.from())
          .setDigestFunction(DigestFunction.Value.SHA256)
          .setBlobDigest(WireDigests.toWire(fetched.digest()));
    } catch (FetchException e) {
      response.setStatus(status(e));
    }
    return response.build();
  }

  private FetchDirectoryResponse fetch(FetchDirectoryRequest request) throws IOException {
    Scope scope = scope(request.getInstanceName(), request.getDigestFunction());
    Qualifiers qualifiers = Qualifiers.parse(request.getQualifiersList());
    Qualifiers.checkUris(request.getUrisList());
    if (request.getUrisCount() == 0) {
      throw new IllegalArgumentException("a directory is fetched by at least one address");
    }
    FetchDirectoryResponse.Builder response =
        FetchDirectoryResponse.newBuilder().addAllQualifiers(request.getQualifiersList());
    Optional<Found> pushed =
        pushed(
            scope,
            Kind.DIRECTORY,
            request.getUrisList(),
            qualifiers,
            oldest(request.hasOldestContentAccepted(), request.getOldestContentAccepted()));
    if (pushed.isPresent()) {
      pushed.get().asset().expiresAt().map(WireTimes::toWire).ifPresent(response::setExpiresAt);
      return response
          .setUri(pushed.get().uri())
          .setDigestFunction(DigestFunction.Value.SHA256)
          .setRootDirectoryDigest(WireDigests.toWire(pushed.get().asset().digest()))
          .build();
    }
    try {
      SourceFetcher.Fetched tree =
          Patience.within(
              WireTimes.fromWire(request.getTimeout()),
              () -> {
                SourceFetcher.Fetched archive = fetch(scope, request.getUrisList(), qualifiers);
                return new SourceFetcher.Fetched(
                    fetcher.unpack(scope, archive.digest(), qualifiers.directory()),
                    archive.from());
              });
      response
          .setStatus(com.google.rpc.Status.getDefaultInstance())
          .setUri(tree.from())
          .setDigestFunction(DigestFunction.Value.SHA256)
          .setRootDirectoryDigest(WireDigests.toWire(tree.digest()));
    } catch (FetchException e) {
      response.setStatus(status(e));
    }
    return response.build();
  }

  /** Clients ask whether something was pushed; what only the network has needs a checksum. */
  private SourceFetcher.Fetched fetch(Scope scope, List<String> uris, Qualifiers qualifiers)
      throws IOException {
    if (qualifiers.isOfRepository()) {
      throw new FetchException(
          FetchException.Reason.NOT_THERE,
          "nothing was pushed for these addresses, and this server clones no repositories");
    }
    Optional<Checksums> checksums = qualifiers.checksums();
    if (checksums.isPresent()) {
      SourceFetcher.Fetched fetched =
          fetcher.fetch(
              scope, checksums.get(), qualifiers.mirrorPath(), addresses(uris, qualifiers));
      name(scope, fetched.digest(), qualifiers);
      return fetched;
    }
    boolean network =
        uris.stream().anyMatch(uri -> uri.toLowerCase(Locale.ROOT).matches("https?:.*"));
    if (uris.isEmpty() || network) {
      throw new IllegalArgumentException(
          "the qualifier checksum.sri is needed, as sha256-<base64>: nothing is fetched"
              + " unverified");
    }
    throw new FetchException(
        FetchException.Reason.NOT_THERE, "nothing was pushed for these addresses");
  }

  /** A commit is verified by git, so it needs no other checksum. */
  private FetchBlobResponse fetch(
      Scope scope, GitRequest git, Qualifiers qualifiers, FetchBlobRequest request)
      throws IOException {
    FetchBlobResponse.Builder response =
        FetchBlobResponse.newBuilder().addAllQualifiers(request.getQualifiersList());
    try {
      String path = qualifiers.mirrorPath();
      SourceFetcher.Fetched fetched =
          Patience.within(
              WireTimes.fromWire(request.getTimeout()),
              () -> fetcher.git().fetch(scope, git, path, request.getUrisList()));
      if (new SourcePath(path).isVersionControl() && path.contains(git.commit())) {
        fetcher.mirror().fetched(scope, fetched.digest(), path, qualifiers.mirrorName());
      }
      response
          .setUri(fetched.from())
          .setDigestFunction(DigestFunction.Value.SHA256)
          .setBlobDigest(WireDigests.toWire(fetched.digest()));
    } catch (FetchException e) {
      response.setStatus(status(e));
    }
    return response.build();
  }

  /** It is a source of the mirror from now on, where the caller says of which name. */
  private void name(Scope scope, Digest digest, Qualifiers qualifiers) throws IOException {
    String path = qualifiers.mirrorPath();
    // A path that says another checksum is where another mirror has the file, and not ours.
    if (!path.isEmpty()
        && new SourcePath(path).checksum().filter(digest.hex()::equals).isPresent()) {
      fetcher.mirror().fetched(scope, digest, path, qualifiers.mirrorName());
    }
  }

  private Scope scope(String instance, DigestFunction.Value function) {
    if (function != DigestFunction.Value.UNKNOWN && function != DigestFunction.Value.SHA256) {
      throw new IllegalArgumentException("the digest function is SHA256");
    }
    return new Scope(instances.apply(instance), "fetch");
  }

  private record Found(String uri, Asset asset) {}

  private static Instant oldest(boolean given, Timestamp oldest) {
    return given ? WireTimes.fromWire(oldest) : Instant.EPOCH;
  }

  private Optional<Found> pushed(
      Scope scope, Kind kind, List<String> uris, Qualifiers qualifiers, Instant oldest)
      throws IOException {
    for (String uri : uris) {
      Optional<Asset> asset = assets.find(scope, new Name(kind, uri, qualifiers.ofAssets()));
      if (asset.isPresent() && !asset.get().pushedAt().isBefore(oldest)) {
        return Optional.of(new Found(uri, asset.get()));
      }
    }
    return Optional.empty();
  }

  /** A pushed blob is believed no more than a fetched one. */
  private boolean fits(Scope scope, Found found, Checksums checksums) throws IOException {
    Checksums.Check check = checksums.new Check();
    try (InputStream in = blobs.read(scope, found.asset().digest(), 0, Long.MAX_VALUE)) {
      byte[] buffer = new byte[64 << 10];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        check.update(buffer, n);
      }
    }
    return check.end().matches();
  }

  private static List<SourceFetcher.Address> addresses(List<String> uris, Qualifiers qualifiers) {
    List<SourceFetcher.Address> addresses = new ArrayList<>();
    for (int i = 0; i < uris.size(); i++) {
      addresses.add(new SourceFetcher.Address(uris.get(i), qualifiers.headers(i, uris.get(i))));
    }
    return addresses;
  }

  private static com.google.rpc.Status status(FetchException e) {
    return com.google.rpc.Status.newBuilder()
        .setCode(code(e.reason()).value())
        .setMessage(String.valueOf(e.getMessage()))
        .build();
  }

  private static Status.Code code(FetchException.Reason reason) {
    return switch (reason) {
      case NOT_THERE -> Status.Code.NOT_FOUND;
      case FORBIDDEN -> Status.Code.PERMISSION_DENIED;
      case WRONG_CONTENT -> Status.Code.ABORTED;
      case TOO_LARGE -> Status.Code.RESOURCE_EXHAUSTED;
      case UNREACHABLE -> Status.Code.UNAVAILABLE;
      case TOO_SLOW -> Status.Code.DEADLINE_EXCEEDED;
      case MALFORMED -> Status.Code.INVALID_ARGUMENT;
    };
  }

  private static void fail(StreamObserver<?> observer, Status status, @Nullable String message) {
    observer.onError(status.withDescription(message).asRuntimeException());
  }
}
