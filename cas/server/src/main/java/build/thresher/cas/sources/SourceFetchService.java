package build.thresher.cas.sources;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchDirectoryRequest;
import build.bazel.remote.asset.v1.FetchDirectoryResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.asset.v1.Qualifier;
import build.bazel.remote.execution.v2.DigestFunction;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * REAPI Remote Asset, {@code FetchBlob}: a file by addresses and checksum.
 *
 * <p>Qualifiers: {@code checksum.sri} ({@code sha256-<base64>}) is needed, for nothing without a
 * checksum counts as verified; {@code thresher.mirror_path} is where Spack's source mirrors have
 * the file; {@code resource_type} is ignored; others are refused, as the API demands. Malformed
 * requests fail the call; what concerns the addresses stands in the response's status.
 *
 * <p>Threading: each call blocks its thread, so the server must run calls on virtual threads.
 */
public final class SourceFetchService extends FetchGrpc.FetchImplBase {
  private static final Logger LOG = LoggerFactory.getLogger(SourceFetchService.class);
  private static final String CHECKSUM = "checksum.sri";
  private static final String MIRROR_PATH = "thresher.mirror_path";
  private static final int MAX_URIS = 100;

  private final SourceFetcher fetcher;

  public SourceFetchService(SourceFetcher fetcher) {
    this.fetcher = fetcher;
  }

  @Override
  public void fetchBlob(FetchBlobRequest request, StreamObserver<FetchBlobResponse> observer) {
    try {
      observer.onNext(fetch(request));
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

  @Override
  public void fetchDirectory(
      FetchDirectoryRequest request, StreamObserver<FetchDirectoryResponse> observer) {
    fail(observer, Status.UNIMPLEMENTED, "directories are not fetched; fetch the archive");
  }

  private FetchBlobResponse fetch(FetchBlobRequest request) throws IOException {
    DigestFunction.Value function = request.getDigestFunction();
    if (function != DigestFunction.Value.UNKNOWN && function != DigestFunction.Value.SHA256) {
      throw new IllegalArgumentException("the digest function is SHA256");
    }
    if (request.getUrisCount() > MAX_URIS) {
      throw new IllegalArgumentException("more than " + MAX_URIS + " addresses");
    }
    Map<String, String> qualifiers = qualifiers(request.getQualifiersList());
    Digest sha256 = sha256(qualifiers.getOrDefault(CHECKSUM, ""));
    String mirrorPath = mirrorPath(qualifiers.getOrDefault(MIRROR_PATH, ""));
    FetchBlobResponse.Builder response =
        FetchBlobResponse.newBuilder().addAllQualifiers(request.getQualifiersList());
    try {
      SourceFetcher.Fetched fetched =
          fetcher.fetch(
              new Scope(request.getInstanceName(), "fetch"),
              sha256,
              mirrorPath,
              request.getUrisList());
      response
          .setStatus(com.google.rpc.Status.getDefaultInstance())
          .setUri(fetched.from())
          .setDigestFunction(DigestFunction.Value.SHA256)
          .getBlobDigestBuilder()
          .setHash(fetched.digest().hex())
          .setSizeBytes(fetched.digest().sizeBytes());
    } catch (FetchException e) {
      response
          .getStatusBuilder()
          .setCode(code(e.reason()).value())
          .setMessage(String.valueOf(e.getMessage()));
    }
    return response.build();
  }

  private static Status.Code code(FetchException.Reason reason) {
    return switch (reason) {
      case NOT_THERE -> Status.Code.NOT_FOUND;
      case FORBIDDEN -> Status.Code.PERMISSION_DENIED;
      case WRONG_CONTENT -> Status.Code.FAILED_PRECONDITION;
      case TOO_LARGE -> Status.Code.RESOURCE_EXHAUSTED;
      case UNREACHABLE -> Status.Code.UNAVAILABLE;
      case MALFORMED -> Status.Code.INVALID_ARGUMENT;
    };
  }

  private static Map<String, String> qualifiers(List<Qualifier> list) {
    Map<String, String> qualifiers = new HashMap<>();
    for (Qualifier q : list) {
      if (!List.of(CHECKSUM, MIRROR_PATH, "resource_type").contains(q.getName())) {
        throw new IllegalArgumentException("the qualifier `" + q.getName() + "` is not known here");
      }
      if (qualifiers.put(q.getName(), q.getValue()) != null) {
        throw new IllegalArgumentException("the qualifier `" + q.getName() + "` is given twice");
      }
    }
    return qualifiers;
  }

  private static Digest sha256(String sri) {
    if (!sri.startsWith("sha256-")) {
      throw new IllegalArgumentException(
          "the qualifier checksum.sri is needed, as sha256-<base64>: nothing is fetched unverified");
    }
    return Digest.fromHash(Base64.getDecoder().decode(sri.substring("sha256-".length())), 0);
  }

  private static String mirrorPath(String path) {
    boolean plain =
        path.isEmpty() || path.matches("[A-Za-z0-9_+~@=,.-][A-Za-z0-9_+~@=,./-]{0,500}");
    if (!plain || List.of(path.split("/", -1)).contains("..") || path.contains("//")) {
      throw new IllegalArgumentException("thresher.mirror_path is no plain relative path");
    }
    return path;
  }

  private static void fail(
      StreamObserver<?> observer,
      Status status,
      @org.jspecify.annotations.Nullable String message) {
    observer.onError(status.withDescription(message).asRuntimeException());
  }
}
