package build.thresher.client.buildcache;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A mirror over HTTP. What fails for a moment (no connection, 429, 5xx) is tried again a few times;
 * a body that breaks off later is the caller's to try again.
 */
final class HttpFiles implements MirrorFiles {
  private static final Duration CONNECT = Duration.ofSeconds(20);
  private static final Duration ANSWER = Duration.ofSeconds(60);
  private static final Set<Integer> ABSENT =
      Set.of(403, 404, 410); // S3 says 403 for what is not there
  private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
  private static final int MAX_HOPS = 5;
  private static final Pattern ASCII = Pattern.compile("[A-Za-z0-9._~-]");
  private static final int ATTEMPTS = 4;

  private final URI top;
  private final Authentication authentication;
  private final HttpClient http =
      HttpClient.newBuilder()
          .connectTimeout(CONNECT)
          .followRedirects(HttpClient.Redirect.NEVER)
          .build();

  /** How requests prove who makes them. */
  interface Authentication {
    Authentication NONE = (method, uri) -> Map.of();

    /** The headers that a request needs. */
    Map<String, String> headers(String method, URI uri) throws IOException;

    /**
     * @param token null for none
     */
    static Authentication bearer(@Nullable String token) {
      return token == null ? NONE : (method, uri) -> Map.of("Authorization", "Bearer " + token);
    }
  }

  HttpFiles(URI top, Authentication authentication) {
    this.top = URI.create(top.toString().replaceFirst("/*$", "/"));
    this.authentication = authentication;
  }

  @Override
  public Optional<byte[]> read(String path, int maxBytes) throws IOException {
    Optional<InputStream> open = open(path);
    if (open.isEmpty()) {
      return Optional.empty();
    }
    try (InputStream in = open.get()) {
      byte[] bytes = in.readNBytes(maxBytes);
      if (bytes.length == maxBytes && in.read() >= 0) {
        throw new IOException(top + path + " is larger than " + maxBytes + " bytes");
      }
      return Optional.of(bytes);
    }
  }

  @Override
  public Optional<InputStream> open(String path) throws IOException {
    return open(at(path));
  }

  /** What a path, or with "" the top itself, answers to a query, which is encoded already. */
  Optional<byte[]> query(String path, String query, int maxBytes) throws IOException {
    String asked = path.isEmpty() ? top.toString().replaceFirst("/$", "") : at(path).toString();
    Optional<InputStream> open = open(URI.create(asked + "?" + query));
    if (open.isEmpty()) {
      return Optional.empty();
    }
    try (InputStream in = open.get()) {
      return Optional.of(in.readNBytes(maxBytes));
    }
  }

  private Optional<InputStream> open(URI uri) throws IOException {
    HttpResponse<InputStream> response = ask("GET", uri);
    if (response.statusCode() == 200) {
      return Optional.of(response.body());
    }
    response.body().close();
    if (ABSENT.contains(response.statusCode())) {
      return Optional.empty();
    }
    throw new IOException(uri + " answers " + response.statusCode());
  }

  @Override
  public OptionalLong size(String path) throws IOException {
    HttpResponse<InputStream> response = ask("HEAD", at(path));
    response.body().close();
    return response.statusCode() == 200
        ? response.headers().firstValueAsLong("content-length")
        : OptionalLong.empty();
  }

  /** Follows to other servers without what proves to this one who asks, and never out of TLS. */
  private HttpResponse<InputStream> ask(String method, URI uri) throws IOException {
    URI next = uri;
    for (int hops = 0; ; hops++) {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(next).timeout(ANSWER).method(method, BodyPublishers.noBody());
      if (Objects.equals(next.getRawAuthority(), top.getRawAuthority())) {
        authentication.headers(method, next).forEach(request::header);
      }
      HttpResponse<InputStream> response = send(request.build());
      Optional<String> location = response.headers().firstValue("location");
      if (!REDIRECTS.contains(response.statusCode()) || location.isEmpty()) {
        return response;
      }
      response.body().close();
      URI from = next;
      next = from.resolve(location.get());
      boolean unsafe = from.getScheme().equals("https") && !"https".equals(next.getScheme());
      if (unsafe || hops == MAX_HOPS) {
        throw new IOException(
            uri + " leads to " + next + (unsafe ? ", which is not TLS" : ", and on and on"));
      }
    }
  }

  private URI at(String path) {
    return URI.create(top + encoded(path, "/"));
  }

  /** Percent-encoded but for what no server reads in two ways. */
  static String encoded(String text, String kept) {
    StringBuilder encoded = new StringBuilder();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      char c = (char) (b & 0xff);
      boolean plain = ASCII.matcher(Character.toString(c)).matches();
      if (plain || kept.indexOf(c) >= 0) {
        encoded.append(c);
      } else {
        encoded.append('%').append(HexFormat.of().withUpperCase().toHexDigits(b));
      }
    }
    return encoded.toString();
  }

  private HttpResponse<InputStream> send(HttpRequest request) throws IOException {
    for (int attempt = 1; ; attempt++) {
      try {
        HttpResponse<InputStream> response = http.send(request, BodyHandlers.ofInputStream());
        boolean passing = response.statusCode() == 429 || response.statusCode() >= 500;
        if (!passing || attempt == ATTEMPTS) {
          return response;
        }
        response.body().close();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted while asking " + request.uri());
      } catch (IOException e) {
        if (attempt == ATTEMPTS) {
          throw new IOException(request.uri() + " cannot be read: " + e, e);
        }
      }
      pause(attempt);
    }
  }

  private static void pause(int attempt) throws InterruptedIOException {
    try {
      Thread.sleep(Duration.ofMillis(250L << attempt));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted between two attempts");
    }
  }

  @Override
  public Optional<List<String>> list(String directory) {
    return Optional.empty();
  }

  @Override
  public String name() {
    return top.toString();
  }

  @Override
  public void close() {
    http.shutdownNow();
  }
}
