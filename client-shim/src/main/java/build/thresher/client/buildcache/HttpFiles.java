package build.thresher.client.buildcache;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
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
  private static final int ATTEMPTS = 4;

  private final URI top;
  private final @Nullable String token;
  private final HttpClient http =
      HttpClient.newBuilder()
          .connectTimeout(CONNECT)
          .followRedirects(HttpClient.Redirect.NORMAL)
          .build();

  /**
   * @param token sent as a bearer token; null for none
   */
  HttpFiles(URI top, @Nullable String token) {
    this.top = URI.create(top.toString().replaceFirst("/*$", "/"));
    this.token = token;
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
    HttpResponse<InputStream> response = send(request(path).build());
    if (response.statusCode() == 200) {
      return Optional.of(response.body());
    }
    response.body().close();
    if (ABSENT.contains(response.statusCode())) {
      return Optional.empty();
    }
    throw new IOException(at(path) + " answers " + response.statusCode());
  }

  @Override
  public OptionalLong size(String path) throws IOException {
    HttpResponse<InputStream> response = send(request(path).HEAD().build());
    response.body().close();
    return response.statusCode() == 200
        ? response.headers().firstValueAsLong("content-length")
        : OptionalLong.empty();
  }

  private HttpRequest.Builder request(String path) throws IOException {
    HttpRequest.Builder request = HttpRequest.newBuilder(at(path)).timeout(ANSWER);
    if (token != null) {
      request.header("Authorization", "Bearer " + token);
    }
    return request;
  }

  private URI at(String path) throws IOException {
    try {
      return top.resolve(new URI(null, null, path, null).getRawPath());
    } catch (java.net.URISyntaxException e) {
      throw new IOException("the mirror names a file that no URL can name: " + path, e);
    }
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
