package build.thresher.cas.oci;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.http.AccessCheck;
import build.thresher.cas.http.Credentials;
import build.thresher.cas.http.ServedBytes;
import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import build.thresher.cas.oci.BlobUploads.Upload;
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
import java.io.InputStream;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Collection;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code /v2/…}: the OCI Distribution Specification, in which an instance is a repository, and so
 * is every name below it. Pull and push; nothing can be deleted here but an upload that is under
 * way.
 *
 * <p>Reading needs what the mirror needs, pushing the right to push, as Basic or Bearer
 * authorization. Only instances that take unsigned specs can be pushed to, because images carry no
 * signature. Bodies are streamed; what comes in chunks lies in a file until it is whole.
 */
public final class OciHandler implements Handler, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(OciHandler.class);
  private static final HeaderName CONTENT_DIGEST = HeaderNames.create("Docker-Content-Digest");
  private static final HeaderName API_VERSION =
      HeaderNames.create("Docker-Distribution-Api-Version");
  private static final HeaderName UPLOAD_ID = HeaderNames.create("Docker-Upload-UUID");
  private static final HeaderName SUBJECT = HeaderNames.create("OCI-Subject");
  private static final Pattern CHUNK =
      Pattern.compile("(?:bytes )?(\\d{1,15})-(\\d{1,15})(?:/.*)?");
  private static final int MAX_MANIFEST_BYTES = 4 << 20;
  private static final long MAX_UNREAD_BYTES = 16 << 20;
  private static final String JSON = "application/json";

  private final Repository.Names names;
  private final MirrorOptions options;
  private final AccessCheck access;
  private final ImageTables tables;
  private final Repositories repositories;
  private final Images images;
  private final BlobUploads uploads;
  private final ServedBytes bytes;

  private OciHandler(
      Repository.Names names,
      MirrorOptions options,
      AccessCheck access,
      ImageTables tables,
      Repositories repositories,
      Images images,
      BlobUploads uploads,
      ServedBytes bytes) {
    this.names = names;
    this.options = options;
    this.access = access;
    this.tables = tables;
    this.repositories = repositories;
    this.images = images;
    this.uploads = uploads;
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
          names,
          options,
          access,
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
        requireMethod(read);
        tags(request, response, readable(request, t.repository()));
      }
      case OciPath.Manifest m -> {
        requireMethod(read || method.equals(Method.PUT));
        if (read) {
          manifest(request, response, readable(request, m.repository()), m.reference());
        } else {
          putManifest(request, response, writable(request, m.repository()), m.reference());
        }
      }
      case OciPath.Blob b -> {
        requireMethod(read);
        blob(request, response, readable(request, b.repository()), b.digest());
      }
      case OciPath.Referrers r -> {
        requireMethod(read);
        Repository repository = readable(request, r.repository());
        Digest subject = OciPath.requireDigest(r.digest());
        send(request, response, repository, images.referrers(repository, subject));
      }
      case OciPath.Uploads u -> {
        requireMethod(method.equals(Method.POST));
        begin(request, response, writable(request, u.repository()));
      }
      case OciPath.Upload u -> {
        Repository repository = repository(u.repository());
        try (Upload upload = uploads.enter(repository.name(), u.id())) {
          upload(request, response, repository, upload);
        }
      }
    }
  }

  private static void requireMethod(boolean known) throws OciException {
    if (!known) {
      throw new OciException(
          405,
          Code.UNSUPPORTED,
          "nothing is deleted or changed here; the farm prunes by its rules");
    }
  }

  private Repository repository(String name) throws OciException {
    return names
        .find(name)
        .orElseThrow(
            () ->
                OciException.unknown(
                    Code.NAME_UNKNOWN,
                    "no instance of the farm has this name; a repository is named like one or below it"));
  }

  private Repository readable(ServerRequest request, String name) throws OciException {
    return allowed(AccessCheck.Role.MIRROR_READ, request, name);
  }

  private Repository writable(ServerRequest request, String name) throws OciException {
    Repository repository = allowed(AccessCheck.Role.MIRROR_PUSH, request, name);
    PushRules rules = options.pushed().get(repository.instance());
    if (rules == null || !rules.unsigned()) {
      throw OciException.denied(
          rules == null
              ? "the instance takes nothing from elsewhere (mirror.pushed in farm.yaml)"
              : "the instance takes signed specs only, and images carry no signature (mirror.unsigned in farm.yaml)");
    }
    return repository;
  }

  /** Whoever may not read learns nothing of what there is. */
  private Repository allowed(AccessCheck.Role role, ServerRequest request, String name)
      throws OciException {
    Optional<Repository> repository = names.find(name);
    String instance = repository.map(Repository::instance).orElse("");
    if (access.allows(role, instance, Credentials.of(request))) {
      return repository(name);
    }
    boolean known = access.allows(AccessCheck.Role.MIRROR_READ, instance, Credentials.of(request));
    throw known && Credentials.of(request).token().isPresent()
        ? OciException.denied("this token may read here, but not push")
        : new OciException(
            401, Code.UNAUTHORIZED, "a token of the farm is needed, as the password");
  }

  /** Clients look here for how to authenticate, also where they may read without. */
  private void ping(ServerRequest request, ServerResponse response) throws OciException {
    if (!access.allows(AccessCheck.Role.MIRROR_READ, "", Credentials.of(request))) {
      throw new OciException(401, Code.UNAUTHORIZED, "a token of the farm is needed");
    }
    challenge(response);
    json(response, "{}");
  }

  private static void challenge(ServerResponse response) {
    response.header(HeaderNames.WWW_AUTHENTICATE, "Basic realm=\"thresher\"");
  }

  private void tags(ServerRequest request, ServerResponse response, Repository repository)
      throws OciException, IOException {
    String last = request.query().first("last").orElse("");
    int limit = TagPage.limit(request.query().first("n").orElse(""));
    NavigableSet<String> all = images.tags(repository).tailSet(last, false);
    TagPage page = TagPage.of(repository.name(), all, limit);
    page.next().ifPresent(next -> response.header(HeaderNames.LINK, next));
    json(response, page.json());
  }

  private void manifest(
      ServerRequest request, ServerResponse response, Repository repository, String reference)
      throws OciException, IOException {
    Optional<Served.Document> found =
        reference.contains(":")
            ? images.manifest(repository, OciPath.requireDigest(reference), true)
            : images.tagged(repository, OciPath.requireTag(reference));
    send(
        request,
        response,
        repository,
        found.orElseThrow(
            () -> OciException.unknown(Code.MANIFEST_UNKNOWN, "there is no such manifest")));
  }

  private void blob(
      ServerRequest request, ServerResponse response, Repository repository, String digest)
      throws OciException, IOException {
    Served found =
        repositories
            .find(repository.instance(), OciPath.requireDigest(digest))
            .orElseThrow(() -> OciException.unknown(Code.BLOB_UNKNOWN, "there is no such blob"));
    send(request, response, repository, found);
  }

  private void send(
      ServerRequest request, ServerResponse response, Repository repository, Served served)
      throws IOException {
    response.header(CONTENT_DIGEST, OciPath.text(served.digest()));
    bytes.send(request, response, Scope.farm(repository.instance()), served);
  }

  private void putManifest(
      ServerRequest request, ServerResponse response, Repository repository, String reference)
      throws OciException, IOException {
    byte[] text;
    try (InputStream in = body(request)) {
      text = in.readNBytes(MAX_MANIFEST_BYTES + 1);
    }
    if (text.length > MAX_MANIFEST_BYTES) {
      throw new OciException(
          413, Code.MANIFEST_INVALID, "a manifest has at most " + MAX_MANIFEST_BYTES + " bytes");
    }
    String type = request.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
    Images.Stored stored =
        images.put(repository, reference, type.replaceFirst(";.*", "").strip(), text);
    stored.subject().ifPresent(s -> response.header(SUBJECT, OciPath.text(s.digest())));
    String digest = OciPath.text(stored.digest());
    response.header(CONTENT_DIGEST, digest);
    created(response, "/v2/" + repository.name() + "/manifests/" + digest);
  }

  /** An upload begins, or is over at once: a blob in one request, or one of another repository. */
  private void begin(ServerRequest request, ServerResponse response, Repository repository)
      throws OciException, IOException {
    Optional<String> whole = request.query().first("digest").asOptional();
    Optional<String> mount = request.query().first("mount").asOptional();
    if (whole.isPresent()) {
      Digest digest = OciPath.requireDigest(whole.get());
      long length = length(request);
      if (length < 0) {
        throw OciException.invalid(Code.SIZE_INVALID, "the length of the body is not given");
      }
      store(request, repository, digest, length);
      blobCreated(response, repository, digest);
      return;
    }
    if (mount.isPresent()) {
      Digest digest = OciPath.requireDigest(mount.get());
      String from = request.query().first("from").orElse(repository.name());
      Repository other = readable(request, OciPath.requireName(from));
      Optional<Served.StoredBlob> there = repositories.find(other.instance(), digest);
      if (there.isPresent()) {
        repositories.mount(repository.instance(), there.get().digest());
        blobCreated(response, repository, digest);
        return;
      }
    }
    String id = uploads.begin(repository.name());
    progress(response, repository, id, 0, Status.ACCEPTED_202);
  }

  private void upload(
      ServerRequest request, ServerResponse response, Repository repository, Upload upload)
      throws OciException, IOException {
    Method method = request.prologue().method();
    if (method.equals(Method.GET)) {
      progress(response, repository, upload.id(), upload.received(), Status.NO_CONTENT_204);
    } else if (method.equals(Method.PATCH)) {
      append(request, upload);
      progress(response, repository, upload.id(), upload.received(), Status.ACCEPTED_202);
    } else if (method.equals(Method.PUT)) {
      Digest digest = OciPath.requireDigest(request.query().first("digest").orElse(""));
      complete(request, repository, upload, digest);
      blobCreated(response, repository, digest);
    } else if (method.equals(Method.DELETE)) {
      upload.end();
      response.status(Status.NO_CONTENT_204).send();
    } else {
      requireMethod(false);
    }
  }

  private static void append(ServerRequest request, Upload upload)
      throws OciException, IOException {
    Optional<String> range = request.headers().first(HeaderNames.CONTENT_RANGE);
    OptionalLong from = OptionalLong.empty();
    if (range.isPresent()) {
      Matcher m = CHUNK.matcher(range.get());
      if (!m.matches()) {
        throw OciException.invalid(Code.BLOB_UPLOAD_INVALID, "Content-Range is no range");
      }
      from = OptionalLong.of(Long.parseLong(m.group(1)));
      long length = length(request);
      if (length >= 0 && Long.parseLong(m.group(2)) != from.getAsLong() + length - 1) {
        throw OciException.invalid(
            Code.SIZE_INVALID, "Content-Range and Content-Length do not agree");
      }
    }
    try (InputStream in = body(request)) {
      upload.append(in, from);
    }
  }

  private void complete(ServerRequest request, Repository repository, Upload upload, Digest digest)
      throws OciException, IOException {
    if (upload.received() == 0 && length(request) > 0) {
      store(request, repository, digest, length(request));
    } else {
      if (length(request) != 0) {
        append(request, upload);
      }
      try (InputStream in = upload.read()) {
        repositories.store(
            repository.instance(), Digest.fromHash(digest.hashBytes(), upload.received()), in);
      }
    }
    upload.end();
  }

  private void store(ServerRequest request, Repository repository, Digest digest, long length)
      throws OciException, IOException {
    try (InputStream in = body(request)) {
      repositories.store(repository.instance(), Digest.fromHash(digest.hashBytes(), length), in);
    }
  }

  /** Of the body in bytes; -1 where only its end will tell. */
  private static long length(ServerRequest request) {
    return request
        .headers()
        .contentLength()
        .orElse(request.headers().contains(HeaderNames.TRANSFER_ENCODING) ? -1 : 0);
  }

  private static InputStream body(ServerRequest request) {
    return request.content().hasEntity()
        ? request.content().inputStream()
        : InputStream.nullInputStream();
  }

  private static void progress(
      ServerResponse response, Repository repository, String id, long received, Status status) {
    response.header(HeaderNames.LOCATION, "/v2/" + repository.name() + "/blobs/uploads/" + id);
    response.header(HeaderNames.RANGE, "0-" + Math.max(0, received - 1));
    response.header(UPLOAD_ID, id);
    response.status(status).send();
  }

  private static void blobCreated(ServerResponse response, Repository repository, Digest digest) {
    response.header(CONTENT_DIGEST, OciPath.text(digest));
    created(response, "/v2/" + repository.name() + "/blobs/" + OciPath.text(digest));
  }

  private static void created(ServerResponse response, String location) {
    response.header(HeaderNames.LOCATION, location);
    response.status(Status.CREATED_201).send();
  }

  private static void json(ServerResponse response, String text) {
    response.header(HeaderNames.CACHE_CONTROL, "no-store");
    response.header(HeaderNames.CONTENT_TYPE, JSON).send(text);
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
    if (request.headers().contentLength().orElse(0) > MAX_UNREAD_BYTES) {
      response.header(HeaderNames.CONNECTION, "close");
    }
    if (request.prologue().method().equals(Method.HEAD)) {
      response.send();
    } else {
      json(response, e.json());
    }
  }
}
