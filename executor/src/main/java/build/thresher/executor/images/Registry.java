package build.thresher.executor.images;

import build.thresher.cas.api.Digest;
import build.thresher.executor.images.ImageName.InRegistry;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One repository of a registry, as everybody may read it: OCI distribution over HTTP, with the
 * token that registries give to whoever asks. What it returns is not verified. Used by one thread.
 */
final class Registry implements BlobSource {
  private static final Duration HEADERS = Duration.ofSeconds(60);
  private static final int MAX_REDIRECTS = 5;
  private static final int MAX_TOKEN_BYTES = 64 << 10;
  private static final Pattern PARAMETER = Pattern.compile("([a-z]+)=\"([^\"]*)\"");

  private final HttpClient http;
  private final URI base;
  private final InRegistry image;
  private Optional<String> token = Optional.empty();

  /**
   * @param address of the registry, such as {@code https://registry-1.docker.io}
   */
  Registry(HttpClient http, String address, InRegistry image) {
    this.http = http;
    this.base = URI.create(address + "/v2/" + image.repository() + "/");
    this.image = image;
  }

  /** The manifest that a tag or digest names. */
  byte[] manifest(String reference) throws IOException {
    try (InputStream in = get("manifests/" + reference, Manifest.ACCEPTED)) {
      byte[] bytes = in.readNBytes(Manifest.MAX_BYTES + 1);
      if (bytes.length > Manifest.MAX_BYTES) {
        throw new ImageException("the manifest of " + image + " is larger than manifests are");
      }
      return bytes;
    }
  }

  @Override
  public InputStream open(Digest layer) throws IOException {
    return new PatientStream(get("blobs/sha256:" + layer.hex(), "*/*"), image.toString());
  }

  private InputStream get(String path, String accept) throws IOException {
    URI uri = base.resolve(path);
    HttpResponse<InputStream> response = send(uri, accept, true);
    if (response.statusCode() == 401 && token.isEmpty()) {
      response.body().close();
      token = Optional.of(token(response));
      response = send(uri, accept, true);
    }
    for (int hops = 0; response.statusCode() / 100 == 3; hops++) {
      response.body().close();
      URI next = uri.resolve(response.headers().firstValue("Location").orElse(""));
      if (hops == MAX_REDIRECTS || !mayFollow(uri, next)) {
        throw new ImageException("the registry of " + image + " redirects to " + next);
      }
      // The token is for the registry, not for where it keeps its blobs.
      boolean same = next.getAuthority().equals(uri.getAuthority());
      response = send(next, accept, same);
      uri = next;
    }
    if (response.statusCode() != 200) {
      response.body().close();
      throw failure(response.statusCode(), path);
    }
    return response.body();
  }

  private static boolean mayFollow(URI from, URI to) {
    return to.getAuthority() != null
        && ("https".equals(to.getScheme())
            || ("http".equals(to.getScheme()) && "http".equals(from.getScheme())));
  }

  private IOException failure(int status, String path) {
    return switch (status) {
      case 404 -> new ImageException("the registry has no " + path + " of the image " + image);
      case 401, 403 ->
          new ImageException(
              "the registry does not give the image "
                  + image
                  + " to everybody ("
                  + status
                  + "); executors have no accounts with registries");
      default -> new IOException("the registry of " + image + " answers " + status);
    };
  }

  private HttpResponse<InputStream> send(URI uri, String accept, boolean withToken)
      throws IOException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(uri).timeout(HEADERS).header("Accept", accept).GET();
    if (withToken) {
      token.ifPresent(t -> request.header("Authorization", "Bearer " + t));
    }
    try {
      return http.send(request.build(), BodyHandlers.ofInputStream());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while " + image + " is fetched");
    }
  }

  /** Asks who the registry names in its challenge; anybody gets a token for public images. */
  private String token(HttpResponse<InputStream> refused) throws IOException {
    String challenge = refused.headers().firstValue("WWW-Authenticate").orElse("");
    String realm = "";
    StringBuilder query = new StringBuilder();
    Matcher parameters = PARAMETER.matcher(challenge);
    while (parameters.find()) {
      if (parameters.group(1).equals("realm")) {
        realm = parameters.group(2);
      } else if (parameters.group(1).equals("service") || parameters.group(1).equals("scope")) {
        query.append(query.isEmpty() ? "?" : "&").append(parameters.group(1)).append('=');
        query.append(URLEncoder.encode(parameters.group(2), StandardCharsets.UTF_8));
      }
    }
    if (!challenge.startsWith("Bearer ") || !realm.matches("https?://[^\\s?#]+")) {
      throw failure(refused.statusCode(), "");
    }
    URI uri = URI.create(realm + query);
    if (!mayFollow(base, uri)) {
      throw new ImageException("the registry of " + image + " gives tokens without TLS only");
    }
    HttpResponse<InputStream> response = send(uri, "application/json", false);
    try (InputStream in = response.body()) {
      if (response.statusCode() != 200) {
        throw failure(response.statusCode(), "token");
      }
      JsonNode json = Manifest.JSON.readTree(in.readNBytes(MAX_TOKEN_BYTES));
      String text = json.path("token").asText(json.path("access_token").asText());
      if (!text.matches("[\\x21-\\x7e]+")) {
        throw new IOException("the registry of " + image + " gives no token");
      }
      return text;
    }
  }
}
