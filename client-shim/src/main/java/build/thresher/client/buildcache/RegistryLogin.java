package build.thresher.client.buildcache;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Proves to a registry who reads a repository: with name and password, or with the token that the
 * registry's challenge says where to fetch, again before it ends. Threading: any thread; calls
 * block.
 */
final class RegistryLogin implements HttpFiles.Authentication {
  /** What a token lives where its server does not say. */
  private static final long DEFAULT_SECONDS = 60;

  private static final int MAX_ANSWER_BYTES = 1 << 20;
  private static final Duration ANSWER = Duration.ofSeconds(60);
  private static final Pattern MEMBER = Pattern.compile("([a-z]+)=\"([^\"]*)\"");
  private static final String MANIFESTS =
      "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final URI api;
  private final String repository;
  private final String basic;
  private final InstantSource clock;
  private @Nullable Proof proof;

  /**
   * @param authorization "" for none
   */
  private record Proof(String authorization, Instant until) {}

  /**
   * @param basic {@code Basic …}, "" for nobody
   */
  RegistryLogin(URI api, String repository, String basic, InstantSource clock) {
    this.api = api;
    this.repository = repository;
    this.basic = basic;
    this.clock = clock;
  }

  /** {@code OCI_USERNAME} and {@code OCI_PASSWORD} of the environment. */
  static String user(Map<String, String> environment) {
    String name = environment.getOrDefault("OCI_USERNAME", "");
    String password = environment.getOrDefault("OCI_PASSWORD", "");
    return name.isEmpty() || password.isEmpty()
        ? ""
        : "Basic "
            + Base64.getEncoder()
                .encodeToString((name + ":" + password).getBytes(StandardCharsets.UTF_8));
  }

  @Override
  public Map<String, String> headers(String method, URI uri) throws IOException {
    String authorization = authorization();
    return authorization.isEmpty()
        ? Map.of("Accept", MANIFESTS)
        : Map.of("Accept", MANIFESTS, "Authorization", authorization);
  }

  private synchronized String authorization() throws IOException {
    Proof known = proof;
    if (known == null || !clock.instant().isBefore(known.until())) {
      known = asked();
      proof = known;
    }
    return known.authorization();
  }

  /** The challenge of the API's first page says what it wants. */
  private Proof asked() throws IOException {
    try (HttpClient http = HttpClient.newHttpClient()) {
      HttpResponse<InputStream> ping = send(http, api, "");
      ping.body().close();
      String challenge = ping.headers().firstValue("WWW-Authenticate").orElse("");
      if (ping.statusCode() != 401 || !challenge.startsWith("Bearer ")) {
        // A registry that is open to readers may still keep some repositories for its users.
        return new Proof(basic, Instant.MAX);
      }
      return token(http, challenge);
    }
  }

  private Proof token(HttpClient http, String challenge) throws IOException {
    String realm = "";
    String service = "";
    Matcher members = MEMBER.matcher(challenge);
    while (members.find()) {
      realm = members.group(1).equals("realm") ? members.group(2) : realm;
      service = members.group(1).equals("service") ? members.group(2) : service;
    }
    boolean sameSafety = realm.startsWith("https://") || api.getScheme().equals("http");
    if (!realm.matches("https?://\\S+") || !sameSafety) {
      throw new IOException(api + " sends its readers to `" + realm + "`, which is no safe place");
    }
    String query =
        "service="
            + HttpFiles.encoded(service, "")
            + "&scope="
            + HttpFiles.encoded("repository:" + repository + ":pull", "");
    Instant asked = clock.instant();
    URI uri = URI.create(realm + (realm.contains("?") ? "&" : "?") + query);
    HttpResponse<InputStream> response = send(http, uri, basic);
    try (InputStream body = response.body()) {
      JsonNode answer = JSON.readTree(body.readNBytes(MAX_ANSWER_BYTES));
      String token = answer.path("token").asText(answer.path("access_token").asText());
      if (response.statusCode() != 200 || token.isEmpty()) {
        throw new IOException(
            "%s gives no token for %s (it answers %d); OCI_USERNAME and OCI_PASSWORD say who asks"
                .formatted(realm, repository, response.statusCode()));
      }
      long seconds = answer.path("expires_in").asLong(DEFAULT_SECONDS);
      return new Proof("Bearer " + token, asked.plusSeconds(seconds * 3 / 4));
    }
  }

  private static HttpResponse<InputStream> send(HttpClient http, URI uri, String authorization)
      throws IOException {
    HttpRequest.Builder request = HttpRequest.newBuilder(uri).timeout(ANSWER);
    if (!authorization.isEmpty()) {
      request.header("Authorization", authorization);
    }
    try {
      return http.send(request.build(), BodyHandlers.ofInputStream());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while asking " + uri);
    }
  }

  /** Never the secrets. */
  @Override
  public String toString() {
    return basic.isEmpty() ? "as nobody" : "with a password";
  }
}
