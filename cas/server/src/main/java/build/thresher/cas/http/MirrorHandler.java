package build.thresher.cas.http;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.mirror.InstanceName;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import io.helidon.http.HeaderNames;
import io.helidon.http.Method;
import io.helidon.http.Status;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers every request: {@code /healthz} and {@code /mirror/<instance>/…} with what is built and
 * the sources of packages, GET and HEAD.
 */
final class MirrorHandler implements Handler {
  private static final Logger LOG = LoggerFactory.getLogger(MirrorHandler.class);
  private static final String MIRROR = "mirror/";
  private static final String SOURCES = "sources/";
  private static final String SOURCE_CACHE = "_source-cache/";
  private static final String NOT_FOUND = "not found";

  /** Spack sends no credentials over HTTP, so a read token may stand in the URL. */
  private static final Pattern WITH_TOKEN = Pattern.compile("(.+?)/t/([A-Za-z0-9_-]{1,200})");

  private final RocksSpackMirror mirror;
  private final SourceLookup sources;
  private final AccessCheck access;
  private final Supplier<String> trouble;
  private final ServedBytes bytes;

  MirrorHandler(
      RocksSpackMirror mirror,
      SourceLookup sources,
      AccessCheck access,
      Supplier<String> trouble,
      ServedBytes bytes) {
    this.mirror = mirror;
    this.sources = sources;
    this.access = access;
    this.trouble = trouble;
    this.bytes = bytes;
  }

  @Override
  public void handle(ServerRequest request, ServerResponse response) {
    try {
      route(request, response);
    } catch (BlobNotFoundException e) {
      LOG.error("{} is named by the mirror but lost: {}", logged(request), e.getMessage());
      ServedBytes.text(response, Status.NOT_FOUND_404, "the store no longer holds this blob");
    } catch (StoreUnavailableException e) {
      ServedBytes.text(
          response, Status.SERVICE_UNAVAILABLE_503, "the store is not available; try again");
    } catch (IOException e) {
      LOG.warn("{} failed: {}", logged(request), e.toString());
      if (response.isSent() || response.bytesWritten() > 0) {
        // The length was promised: only a broken connection tells the client that bytes are
        // missing.
        throw new UncheckedIOException(e);
      }
      ServedBytes.text(
          response, Status.INTERNAL_SERVER_ERROR_500, "the server failed; its log says why");
    }
  }

  private void route(ServerRequest request, ServerResponse response) throws IOException {
    Optional<RequestPath> parsed = RequestPath.parse(path(request));
    if (parsed.isEmpty()) {
      ServedBytes.text(response, Status.BAD_REQUEST_400, "the path is malformed");
      return;
    }
    Method method = request.prologue().method();
    if (!method.equals(Method.GET) && !method.equals(Method.HEAD)) {
      response.header(HeaderNames.ALLOW, "GET, HEAD");
      ServedBytes.text(response, Status.METHOD_NOT_ALLOWED_405, "only GET and HEAD");
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
      ServedBytes.text(
          response, Status.NOT_FOUND_404, "not found; mirrors are at /mirror/<instance>/");
      return;
    }
    Matcher withToken = WITH_TOKEN.matcher(split.get().instance());
    boolean hasToken = withToken.matches();
    String instance = hasToken ? withToken.group(1) : split.get().instance();
    Requester requester = Credentials.of(request);
    if (hasToken && requester.token().isEmpty()) {
      requester = new Requester(Optional.of(withToken.group(2)), requester.address());
    }
    if (!allowed(AccessCheck.Role.MIRROR_READ, instance, requester, response)) {
      return;
    }
    answer(request, response, instance, split.get().path());
  }

  /**
   * A path of the binary mirror, or of the source mirror, which has a place of its own and is
   * beside the binary one as far as Spack reads it.
   */
  private void answer(ServerRequest request, ServerResponse response, String instance, String path)
      throws IOException {
    boolean own = path.startsWith(SOURCES);
    if (own || path.startsWith(SOURCE_CACHE)) {
      source(request, response, instance, own ? path.substring(SOURCES.length()) : path);
      return;
    }
    Optional<Served> served = mirror.get(instance, path);
    if (served.isEmpty()) {
      ServedBytes.text(response, Status.NOT_FOUND_404, NOT_FOUND);
      return;
    }
    bytes.send(request, response, Scope.farm(instance), served.get());
  }

  private void source(ServerRequest request, ServerResponse response, String instance, String path)
      throws IOException {
    switch (sources.find(instance, path)) {
      case SourceLookup.Stored stored ->
          bytes.send(
              request,
              response,
              Scope.farm(instance),
              new Served.StoredBlob(stored.digest(), "application/octet-stream"));
      case SourceLookup.Arriving arriving -> {
        try (InputStream in = arriving.stream()) {
          if (request.prologue().method().equals(Method.HEAD)) {
            later(response);
          } else {
            bytes.follow(response, in);
          }
        }
      }
      case SourceLookup.Missing missing ->
          ServedBytes.text(response, Status.NOT_FOUND_404, NOT_FOUND);
      case SourceLookup.Later later -> later(response);
    }
  }

  private static void later(ServerResponse response) {
    response.header(HeaderNames.RETRY_AFTER, "5");
    ServedBytes.text(
        response, Status.SERVICE_UNAVAILABLE_503, "this source is being fetched; try again");
  }

  private void health(ServerRequest request, ServerResponse response) {
    if (allowed(AccessCheck.Role.HEALTH, "", Credentials.of(request), response)) {
      String said = trouble.get();
      boolean ok = said.isEmpty();
      ServedBytes.text(
          response, ok ? Status.OK_200 : Status.SERVICE_UNAVAILABLE_503, ok ? "ok" : said);
    }
  }

  private boolean allowed(
      AccessCheck.Role role, String instance, Requester requester, ServerResponse response) {
    if (access.allows(role, instance, requester)) {
      return true;
    }
    response.header(HeaderNames.WWW_AUTHENTICATE, "Bearer");
    ServedBytes.text(
        response, Status.UNAUTHORIZED_401, "a token is needed: Authorization: Bearer <token>");
    return false;
  }

  /** The path without the token that may stand in it. */
  private static String logged(ServerRequest request) {
    return path(request).replaceFirst("/t/[^/]+", "/t/…");
  }

  private static String path(ServerRequest request) {
    return request.prologue().uriPath().rawPath();
  }
}
