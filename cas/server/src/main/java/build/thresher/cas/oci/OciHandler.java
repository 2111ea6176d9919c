package build.thresher.cas.oci;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.http.AccessCheck;
import build.thresher.cas.http.ServedBytes;
import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import build.thresher.cas.oci.OciException.Code;
import com.google.common.collect.ImmutableMap;
import io.helidon.http.HeaderName;
import io.helidon.http.HeaderNames;
import io.helidon.http.Method;
import io.helidon.http.Status;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Collection;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code /v2/…}: the OCI Distribution Specification, in which an instance is a repository, and so
 * is every name below it. Pull and push; nothing can be deleted here but an upload that is under
 * way.
 *
 * <p>Whoever asks says who he is by Basic or Bearer authorization. Only instances that take
 * unsigned specs can be pushed to, because images carry no signature.
 */
public final class OciHandler implements Handler, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(OciHandler.class);
  private static final HeaderName API_VERSION =
      HeaderNames.create("Docker-Distribution-Api-Version");
  private static final long MAX_UNREAD_BYTES = 16 << 20;
  private static final int TOO_MANY_REQUESTS = 429;

  private final OciAccess access;
  private final ImageTables tables;
  private final Repositories repositories;
  private final ManifestRequests manifests;
  private final UploadRequests uploads;
  private final ServedBytes bytes;

  private OciHandler(
      OciAccess access,
      ImageTables tables,
      Repositories repositories,
      Images images,
      BlobUploads uploads,
      ServedBytes bytes) {
    this.access = access;
    this.tables = tables;
    this.repositories = repositories;
    this.manifests = new ManifestRequests(images, bytes);
    this.uploads = new UploadRequests(access, repositories, uploads);
    this.bytes = bytes;
  }

  /**
   * @param directory of its own, for tags and for uploads in chunks
   * @param instances that can be read
   * @param options say to which of them may be pushed
   * @param reserve what uploads leave free
   * @param stallTimeout a client that takes no byte of its answer for so long is disconnected
   */
  public static OciHandler open(
      Path directory,
      DiskReserve reserve,
      RocksSpackMirror mirror,
      PushedSpecs pushed,
      BlobStore blobs,
      Collection<String> instances,
      MirrorOptions options,
      AccessCheck access,
      Duration stallTimeout,
      InstantSource clock,
      SecureRandom random)
      throws IOException {
    ImageTables tables = ImageTables.open(directory.resolve("tables"));
    try {
      Repository.Names names = new Repository.Names(instances);
      Repositories repositories = new Repositories(tables, mirror, blobs, clock);
      SpackImages spack = new SpackImages(mirror, pushed, blobs, repositories);
      Images images = new Images(tables, mirror, blobs, repositories, spack);
      images.sweep(names);
      return new OciHandler(
          new OciAccess(names, options, access),
          tables,
          repositories,
          images,
          BlobUploads.in(directory.resolve("uploads"), reserve, clock, random),
          new ServedBytes(blobs, stallTimeout));
    } catch (IOException | RuntimeException e) {
      tables.close();
      throw e;
    }
  }

  /** Every blob as often as images have pinned it. */
  public void eachPinned(Consumer<Digest> visitor) throws IOException {
    for (ImageTables.Placed image : tables.manifests()) {
      image.kept().pinned().forEach(visitor);
    }
  }

  /** Where it is registered. */
  public ImmutableMap<String, Handler> routes() {
    return ImmutableMap.of("/v2", this, "/v2/*", this);
  }

  @Override
  public void close() {
    bytes.close();
    tables.close();
  }

  @Override
  public void handle(ServerRequest request, ServerResponse response) {
    response.header(API_VERSION, "registry/2.0");
    try {
      answer(request, response);
    } catch (OciException e) {
      refuse(request, response, e);
    } catch (BlobNotFoundException e) {
      refuse(request, response, OciException.unknown(Code.BLOB_UNKNOWN, "" + e.getMessage()));
    } catch (StoreUnavailableException e) {
      refuse(request, response, new OciException(503, Code.UNAVAILABLE, "" + e.getMessage()));
    } catch (IOException | RuntimeException e) {
      log.warn("oci request failed: {}", request.prologue().method(), e);
      if (response.isSent() || response.bytesWritten() > 0) {
        throw new IllegalStateException("broken off: the length was promised", e);
      }
      refuse(request, response, new OciException(500, Code.UNKNOWN, "the server's log says why"));
    }
  }

  private void answer(ServerRequest request, ServerResponse response)
      throws OciException, IOException {
    Method method = request.prologue().method();
    boolean read = method.equals(Method.GET) || method.equals(Method.HEAD);
    switch (OciPath.parse(request.prologue().uriPath().path())) {
      case OciPath.Ping p -> ping(request, response);
      case OciPath.Tags t -> {
        require(read);
        manifests.tags(request, response, access.readable(request, t.repository()));
      }
      case OciPath.Manifest m -> {
        require(read || method.equals(Method.PUT));
        if (read) {
          Repository repository = access.readable(request, m.repository());
          manifests.get(request, response, repository, m.reference());
        } else {
          Repository repository = access.writable(request, m.repository());
          manifests.put(request, response, repository, m.reference());
        }
      }
      case OciPath.Blob b -> {
        require(read);
        blob(request, response, access.readable(request, b.repository()), b.digest());
      }
      case OciPath.Referrers r -> {
        require(read);
        Repository repository = access.readable(request, r.repository());
        manifests.referrers(request, response, repository, OciPath.requireDigest(r.digest()));
      }
      case OciPath.Uploads u -> {
        require(method.equals(Method.POST));
        uploads.begin(request, response, access.writable(request, u.repository()));
      }
      case OciPath.Upload u ->
          uploads.goOn(request, response, access.repository(u.repository()), u.id());
    }
  }

  private static void require(boolean knownMethod) throws OciException {
    if (!knownMethod) {
      throw OciException.method();
    }
  }

  /** Clients look here for how to authenticate, also where they may read without. */
  private void ping(ServerRequest request, ServerResponse response) throws OciException {
    if (!access.mayRead(request, "")) {
      throw new OciException(401, Code.UNAUTHORIZED, "a token of the farm is needed");
    }
    challenge(response);
    OciReplies.json(response, "{}");
  }

  private static void challenge(ServerResponse response) {
    response.header(HeaderNames.WWW_AUTHENTICATE, "Basic realm=\"thresher\"");
  }

  private void blob(
      ServerRequest request, ServerResponse response, Repository repository, String digest)
      throws OciException, IOException {
    Served found =
        repositories
            .find(repository.instance(), OciPath.requireDigest(digest))
            .orElseThrow(() -> OciException.unknown(Code.BLOB_UNKNOWN, "there is no such blob"));
    OciReplies.send(bytes, request, response, repository, found);
  }

  /**
   * The rest of a refused body is read by the server where it is small, so that the client comes to
   * read the answer; the connection ends instead where it is large.
   */
  private static void refuse(ServerRequest request, ServerResponse response, OciException e) {
    response.status(Status.create(e.status()));
    if (e.code() == Code.UNAUTHORIZED) {
      challenge(response);
    }
    if (e.status() == TOO_MANY_REQUESTS) {
      response.header(HeaderNames.RETRY_AFTER, "60");
    }
    if (request.headers().contentLength().orElse(0) > MAX_UNREAD_BYTES) {
      response.header(HeaderNames.CONNECTION, "close");
    }
    if (request.prologue().method().equals(Method.HEAD)) {
      response.send();
    } else {
      OciReplies.json(response, e.json());
    }
  }
}
