package build.thresher.cas.oci;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.http.AccessCheck;
import build.thresher.cas.http.MirrorHttpOptions;
import build.thresher.cas.http.MirrorServer;
import build.thresher.cas.http.SourceLookup;
import build.thresher.cas.mirror.KeyType;
import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Signers;
import build.thresher.cas.mirror.SpackFixture;
import build.thresher.cas.mirror.TrustedKeys;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.common.collect.ImmutableMap;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Base64;
import java.util.List;
import java.util.Optional;

/** A registry on a real store and mirror, behind real HTTP. */
final class RegistryUnderTest implements AutoCloseable {
  static final JsonMapper JSON = new JsonMapper();
  static final String OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json";

  static final byte[] NOTHING = new byte[0];
  static final byte[] CONFIG = bytes("{\"architecture\":\"amd64\",\"os\":\"linux\"}");

  private static final String TOKEN = "sesame";
  private static final String READER = "only-look";

  final RocksBlobStore blobs;
  final RocksSpackMirror mirror;
  private final HttpClient client = HttpClient.newHttpClient();
  private final OciHandler oci;
  private final MirrorServer server;

  /** Instances: built, release (signed only), review (unsigned too), closed (to be read by few). */
  RegistryUnderTest(Path dir) throws Exception {
    InstantSource clock = InstantSource.system();
    blobs =
        RocksBlobStore.open(dir.resolve("blobs"), StoreOptions.DEFAULTS.withReserveBytes(0), clock);
    PushRules signed = new PushRules(TrustedKeys.NONE, false);
    PushRules unsigned = new PushRules(TrustedKeys.NONE, true);
    MirrorOptions options =
        MirrorOptions.of(ImmutableMap.of("built", SpackFixture.INSTALL_ROOT))
            .withPushed(ImmutableMap.of("release", signed, "review", unsigned, "closed", unsigned));
    Signers signers = Signers.inDirectory(dir.resolve("keys"), "test", clock, KeyType.ED25519);
    mirror = RocksSpackMirror.open(dir.resolve("mirror"), blobs, signers, options, clock);
    AccessCheck access =
        (role, instance, who) ->
            switch (role) {
              case HEALTH -> true;
              case MIRROR_READ ->
                  !instance.equals("closed")
                      || who.token().filter(List.of(TOKEN, READER)::contains).isPresent();
              case MIRROR_PUSH -> who.token().equals(Optional.of(TOKEN));
            };
    oci =
        OciHandler.open(
            dir.resolve("oci"),
            new DiskReserve(dir, 0),
            mirror,
            new PushedSpecs(mirror, blobs, options),
            blobs,
            List.of("built", "release", "review", "closed"),
            options,
            access,
            Duration.ofMinutes(1),
            clock,
            new SecureRandom());
    server =
        MirrorServer.start(
            MirrorHttpOptions.listeningOn("127.0.0.1", 0),
            mirror,
            blobs,
            SourceLookup.NONE,
            access,
            oci.routes());
  }

  @Override
  public void close() throws Exception {
    server.stop();
    oci.close();
    mirror.close();
    blobs.close();
  }

  /** As somebody who may push. */
  HttpResponse<byte[]> send(String method, String path, byte[] body, String... headers)
      throws Exception {
    String pair =
        Base64.getEncoder().encodeToString(("me:" + TOKEN).getBytes(StandardCharsets.US_ASCII));
    return anonymously(method, path, body, with(headers, "Authorization", "Basic " + pair));
  }

  /** As somebody who may only read. */
  HttpResponse<byte[]> asReader(String method, String path, byte[] body) throws Exception {
    return anonymously(method, path, body, "Authorization", "Bearer " + READER);
  }

  HttpResponse<byte[]> anonymously(String method, String path, byte[] body, String... headers)
      throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + path))
            .timeout(Duration.ofSeconds(60))
            .method(
                method,
                body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
    if (headers.length > 0) {
      request.headers(headers);
    }
    return client.send(request.build(), BodyHandlers.ofByteArray());
  }

  HttpResponse<byte[]> get(String path) throws Exception {
    return send("GET", path, NOTHING);
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String digest(byte[] blob) {
    return "sha256:" + Digest.of(blob).hex();
  }

  static String header(HttpResponse<?> response, String name) {
    return response.headers().firstValue(name).orElse("");
  }

  private static String[] with(String[] headers, String name, String value) {
    String[] all = java.util.Arrays.copyOf(headers, headers.length + 2);
    all[headers.length] = name;
    all[headers.length + 1] = value;
    return all;
  }

  /** Uploads a blob as Spack does, in two requests. */
  String push(String repository, byte[] blob) throws Exception {
    HttpResponse<byte[]> begun = send("POST", "/v2/" + repository + "/blobs/uploads/", new byte[0]);
    String digest = "sha256:" + Digest.of(blob).hex();
    String location = begun.headers().firstValue("location").orElseThrow();
    HttpResponse<byte[]> put =
        anonymously("PUT", location + "?digest=" + digest.replace(":", "%3A"), blob);
    if (put.statusCode() != 201) {
      throw new AssertionError(put.statusCode() + ": " + text(put));
    }
    return digest;
  }

  HttpResponse<byte[]> putManifest(String repository, String reference, byte[] manifest)
      throws Exception {
    return send(
        "PUT",
        "/v2/" + repository + "/manifests/" + reference,
        manifest,
        "Content-Type",
        OCI_IMAGE);
  }

  /** The manifest of an image with these parts. */
  static byte[] manifest(byte[] config, byte[]... layers) {
    StringBuilder text = new StringBuilder("{\"schemaVersion\":2,\"mediaType\":\"" + OCI_IMAGE);
    text.append("\",\"config\":")
        .append(descriptor("application/vnd.oci.image.config.v1+json", config))
        .append(",\"layers\":[");
    for (int i = 0; i < layers.length; i++) {
      text.append(i == 0 ? "" : ",")
          .append(descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layers[i]));
    }
    return text.append("]}").toString().getBytes(StandardCharsets.UTF_8);
  }

  private static String descriptor(String mediaType, byte[] blob) {
    return "{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%d}"
        .formatted(mediaType, Digest.of(blob).hex(), blob.length);
  }

  static JsonNode json(HttpResponse<byte[]> response) throws Exception {
    return JSON.readTree(response.body());
  }

  /** The one error code of a refusal. */
  static String code(HttpResponse<byte[]> response) throws Exception {
    return response.statusCode()
        + " "
        + json(response).path("errors").path(0).path("code").asText();
  }

  static String text(HttpResponse<byte[]> response) {
    return new String(response.body(), StandardCharsets.UTF_8);
  }
}
