package build.thresher.cas.http;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.mirror.InstanceName;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.Method;
import io.helidon.http.Status;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers every request: {@code /healthz} and {@code /mirror/<instance>/…} with what is built and
 * the sources that the farm fetched, GET and HEAD.
 *
 * <p>An answer is streamed through one buffer; a client that reads slowly holds that buffer and its
 * virtual thread, nothing more, and a client that stops reading is disconnected.
 */
final class MirrorHandler implements Handler {
  private static final Logger LOG = LoggerFactory.getLogger(MirrorHandler.class);
  private static final int BUFFER_BYTES = 64 << 10;
  private static final String MIRROR = "mirror/";

  /** Where a source mirror of Spack keeps archives, under their sha256. */
  private static final Pattern SOURCE =
      Pattern.compile(
          "_source-cache/archive/([0-9a-f]{2})/(\\1[0-9a-f]{62})(?:\\.[A-Za-z0-9][A-Za-z0-9.]{0,19})?");

  private final RocksSpackMirror mirror;
  private final BlobStore blobs;
  private final SourceLookup sources;
  private final AccessCheck access;
  private final BooleanSupplier healthy;
  private final StallGuard guard;

  MirrorHandler(
      RocksSpackMirror mirror,
      BlobStore blobs,
      SourceLookup sources,
      AccessCheck access,
      BooleanSupplier healthy,
      StallGuard guard) {
    this.mirror = mirror;
    this.blobs = blobs;
    this.sources = sources;
    this.access = access;
    this.healthy = healthy;
    this.guard = guard;
  }

  @Override
  public void handle(ServerRequest request, ServerResponse response) {
    if (request.headers().contains(HeaderValues.CONNECTION_CLOSE)) {
      response.header(HeaderValues.CONNECTION_CLOSE);
    }
    try (StallGuard.Transfer transfer = guard.begin()) {
      route(request, response, transfer);
    } catch (BlobNotFoundException e) {
      LOG.error("{} is named by the mirror but lost: {}", path(request), e.getMessage());
      text(response, Status.NOT_FOUND_404, "the store no longer holds this blob");
    } catch (StoreUnavailableException e) {
      text(response, Status.SERVICE_UNAVAILABLE_503, "the store is not available; try again");
    } catch (IOException e) {
      LOG.warn("{} failed: {}", path(request), e.toString());
      if (response.isSent() || response.bytesWritten() > 0) {
        // The length was promised: only a broken connection tells the client that bytes are
        // missing.
        throw new java.io.UncheckedIOException(e);
      }
      text(response, Status.INTERNAL_SERVER_ERROR_500, "the server failed; its log says why");
    }
  }

  private void route(ServerRequest request, ServerResponse response, StallGuard.Transfer transfer)
      throws IOException {
    Optional<RequestPath> parsed = RequestPath.parse(path(request));
    if (parsed.isEmpty()) {
      text(response, Status.BAD_REQUEST_400, "the path is malformed");
      return;
    }
    Method method = request.prologue().method();
    if (!method.equals(Method.GET) && !method.equals(Method.HEAD)) {
      response.header(HeaderNames.ALLOW, "GET, HEAD");
      text(response, Status.METHOD_NOT_ALLOWED_405, "only GET and HEAD");
      return;
    }
    String path = parsed.get().text();
    if (path.equals("healthz")) {
      health(request, response);
      return;
    }
    Optional<InstanceName.InPath> split =
        path.startsWith(MIRROR)
            ? InstanceName.split(path.substring(MIRROR.length()))
            : Optional.empty();
    if (split.isEmpty()) {
      text(response, Status.NOT_FOUND_404, "not found; mirrors are at /mirror/<instance>/");
      return;
    }
    String instance = split.get().instance();
    if (!allowed(AccessCheck.Role.MIRROR_READ, instance, request, response)) {
      return;
    }
    Optional<Served> served = find(instance, split.get().path());
    if (served.isEmpty()) {
      text(response, Status.NOT_FOUND_404, "not found");
      return;
    }
    serve(request, response, Scope.farm(instance), served.get(), transfer);
  }

  /** A path of the binary mirror, or of the source mirror beside it. */
  private Optional<Served> find(String instance, String path) throws IOException {
    Matcher source = SOURCE.matcher(path);
    if (!source.matches()) {
      return mirror.get(instance, path);
    }
    Optional<Digest> digest = sources.find(Digest.parse(source.group(2), 0));
    return digest.isPresent() && blobs.contains(Scope.farm(instance), digest.get())
        ? Optional.of(new Served.StoredBlob(digest.get(), "application/octet-stream"))
        : Optional.empty();
  }

  private void health(ServerRequest request, ServerResponse response) {
    if (allowed(AccessCheck.Role.HEALTH, "", request, response)) {
      boolean ok = healthy.getAsBoolean();
      text(response, ok ? Status.OK_200 : Status.SERVICE_UNAVAILABLE_503, ok ? "ok" : "not ready");
    }
  }

  private boolean allowed(
      AccessCheck.Role role, String instance, ServerRequest request, ServerResponse response) {
    Optional<String> token =
        request
            .headers()
            .first(HeaderNames.AUTHORIZATION)
            .filter(h -> h.regionMatches(true, 0, "Bearer ", 0, 7))
            .map(h -> h.substring(7).strip());
    if (access.allows(role, instance, token)) {
      return true;
    }
    response.header(HeaderNames.WWW_AUTHENTICATE, "Bearer");
    text(response, Status.UNAUTHORIZED_401, "a token is needed: Authorization: Bearer <token>");
    return false;
  }

  private void serve(
      ServerRequest request,
      ServerResponse response,
      Scope scope,
      Served served,
      StallGuard.Transfer transfer)
      throws IOException {
    long size = served.digest().sizeBytes();
    String etag = "\"" + served.digest().hex() + "\"";
    response.header(HeaderNames.ETAG, etag);
    response.header(
        HeaderNames.CACHE_CONTROL,
        served.immutable() ? "public, max-age=31536000, immutable" : "no-cache");
    if (matches(request, etag)) {
      response.status(Status.NOT_MODIFIED_304).send();
      return;
    }
    response.header(HeaderNames.ACCEPT_RANGES, "bytes");
    response.header(HeaderNames.CONTENT_TYPE, served.mediaType());
    boolean rangeApplies =
        request.headers().first(HeaderNames.IF_RANGE).map(etag::equals).orElse(true);
    ByteRange range =
        request
            .headers()
            .first(HeaderNames.RANGE)
            .filter(r -> rangeApplies)
            .map(r -> ByteRange.parse(r, size))
            .orElse(new ByteRange.Whole());
    switch (range) {
      case ByteRange.Unsatisfiable u -> {
        response.header(HeaderNames.CONTENT_RANGE, "bytes */" + size);
        text(response, Status.REQUESTED_RANGE_NOT_SATISFIABLE_416, "the range is not there");
      }
      case ByteRange.Part part -> {
        response.status(Status.PARTIAL_CONTENT_206);
        response.header(
            HeaderNames.CONTENT_RANGE,
            "bytes %d-%d/%d".formatted(part.offset(), part.offset() + part.length() - 1, size));
        body(request, response, scope, served, part.offset(), part.length(), transfer);
      }
      case ByteRange.Whole w -> body(request, response, scope, served, 0, size, transfer);
    }
  }

  private static boolean matches(ServerRequest request, String etag) {
    String header = request.headers().first(HeaderNames.IF_NONE_MATCH).orElse("");
    if (header.strip().equals("*")) {
      return true;
    }
    for (String each : header.split(",", -1)) {
      String tag = each.strip();
      if (tag.equals(etag) || tag.equals("W/" + etag)) {
        return true;
      }
    }
    return false;
  }

  private void body(
      ServerRequest request,
      ServerResponse response,
      Scope scope,
      Served served,
      long offset,
      long length,
      StallGuard.Transfer transfer)
      throws IOException {
    if (request.prologue().method().equals(Method.HEAD)) {
      if (served instanceof Served.StoredBlob blob && !blobs.contains(scope, blob.digest())) {
        throw new BlobNotFoundException(blob.digest());
      }
      response.contentLength(length);
      response.send();
      return;
    }
    try (InputStream in = open(scope, served, offset, length)) {
      response.contentLength(length);
      try (OutputStream out = response.outputStream()) {
        byte[] buffer = new byte[BUFFER_BYTES];
        long left = length;
        while (left > 0) {
          int n = in.read(buffer, 0, (int) Math.min(buffer.length, left));
          if (n < 0) {
            throw new IOException(
                "the blob " + served.digest() + " ended " + left + " bytes early");
          }
          out.write(buffer, 0, n);
          transfer.progress();
          left -= n;
        }
      }
    }
  }

  private InputStream open(Scope scope, Served served, long offset, long length)
      throws IOException {
    return switch (served) {
      case Served.Document document ->
          new ByteArrayInputStream(document.bytes(), (int) offset, (int) length);
      case Served.StoredBlob blob -> blobs.read(scope, blob.digest(), offset, length);
    };
  }

  private static void text(ServerResponse response, Status status, String line) {
    byte[] body = (line + "\n").getBytes(StandardCharsets.UTF_8);
    response.status(status);
    response.header(HeaderNames.CONTENT_TYPE, "text/plain; charset=utf-8");
    response.header(HeaderNames.CACHE_CONTROL, "no-store");
    response.send(body);
  }

  private static String path(ServerRequest request) {
    return request.prologue().uriPath().rawPath();
  }
}
