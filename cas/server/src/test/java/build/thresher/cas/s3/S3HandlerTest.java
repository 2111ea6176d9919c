package build.thresher.cas.s3;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.Scope;
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
import build.thresher.cas.mirror.TrustedKeys;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The requests that boto3 makes for Spack, over real HTTP on a real store. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class S3HandlerTest {
  private static final Path FIXTURES = Path.of("src/test/resources/spack");
  private static final String READ_SECRET = "fedcba9876543210";
  private static final String SECRET = "0123456789abcdef";

  private final HttpClient client = HttpClient.newHttpClient();
  private RocksBlobStore blobs;
  private RocksSpackMirror mirror;
  private MirrorServer server;

  @BeforeAll
  void start(@TempDir Path dir) throws Exception {
    InstantSource clock = InstantSource.system();
    blobs =
        RocksBlobStore.open(dir.resolve("blobs"), StoreOptions.DEFAULTS.withReserveBytes(0), clock);
    TrustedKeys farmlab = TrustedKeys.read(FIXTURES.resolve("v3-signed.pub.asc"), clock);
    MirrorOptions options =
        MirrorOptions.of(ImmutableMap.of("built", "/opt/root"))
            .withPushed(
                ImmutableMap.of(
                    "release", new PushRules(farmlab, false),
                    "review", new PushRules(farmlab, true)));
    mirror =
        RocksSpackMirror.open(
            dir.resolve("mirror"),
            blobs,
            Signers.inDirectory(dir.resolve("keys"), "test", clock, KeyType.ED25519),
            options,
            clock);
    S3Handler s3 =
        S3Handler.open(
            dir.resolve("s3"),
            new DiskReserve(dir, 0),
            mirror,
            new PushedSpecs(mirror, blobs, options),
            blobs,
            List.of("built", "release", "review")::contains,
            () -> SECRET.getBytes(StandardCharsets.US_ASCII),
            instance ->
                instance.equals("release")
                    ? List.of(READ_SECRET.getBytes(StandardCharsets.US_ASCII))
                    : List.of(),
            clock);
    server =
        MirrorServer.start(
            MirrorHttpOptions.listeningOn("127.0.0.1", 0),
            mirror,
            blobs,
            SourceLookup.NONE,
            AccessCheck.open(),
            ImmutableMap.of(S3Handler.ROUTE, s3));
  }

  @AfterAll
  void stop() throws IOException {
    server.stop();
    mirror.close();
    blobs.close();
  }

  private HttpResponse<byte[]> send(String method, String path, String query, byte[] body)
      throws Exception {
    return send(method, path, query, body, Digest.of(body).hex(), SECRET);
  }

  private HttpResponse<byte[]> send(
      String method, String path, String query, byte[] body, String payload, String secret)
      throws Exception {
    String host = "127.0.0.1:" + server.port();
    TestSigner signer = new TestSigner(secret, Instant.now());
    HttpRequest.Builder request =
        HttpRequest.newBuilder(
                URI.create("http://" + host + path + (query.isEmpty() ? "" : "?" + query)))
            .timeout(Duration.ofSeconds(60))
            .method(
                method,
                body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
    signer.sign(method, path, query, host, payload).forEach(request::header);
    return client.send(request.build(), BodyHandlers.ofByteArray());
  }

  private static String text(HttpResponse<byte[]> response) {
    return new String(response.body(), StandardCharsets.UTF_8);
  }

  private void refused(int status, String code, HttpResponse<byte[]> response) {
    assertEquals(status, response.statusCode(), text(response));
    assertTrue(text(response).contains("<Code>" + code + "</Code>"), text(response));
  }

  private static List<String> files(String fixture) throws IOException {
    Path top = FIXTURES.resolve(fixture);
    try (Stream<Path> all = Files.walk(top)) {
      return all.filter(Files::isRegularFile)
          .map(file -> top.relativize(file).toString())
          .sorted() // blobs come before v3
          .toList();
    }
  }

  private void push(String fixture, String instance) throws Exception {
    for (String key : files(fixture)) {
      byte[] body = Files.readAllBytes(FIXTURES.resolve(fixture).resolve(key));
      HttpResponse<byte[]> put = send("PUT", "/s3/" + instance + "/" + key, "", body);
      assertEquals(200, put.statusCode(), key + ": " + text(put));
    }
  }

  @Test
  void aWholeMirrorIsPutAndEverySpecIsThere() throws Exception {
    push("v3-signed", "release");
    assertEquals(7, mirror.size("release"));
    String listed =
        text(send("GET", "/s3/release", "list-type=2&prefix=v3%2Fmanifests%2Fspec", new byte[0]));
    assertEquals(7, listed.split("<Key>", -1).length - 1, listed);
    String directories =
        text(
            send(
                "GET",
                "/s3/release",
                "delimiter=%2F&list-type=2&prefix=v3%2Fmanifests%2Fspec%2F",
                new byte[0]));
    assertTrue(directories.contains("<Prefix>v3/manifests/spec/fl-app/</Prefix>"), directories);
    assertFalse(directories.contains("<Key>"), directories);
    for (String key : files("v3-signed")) {
      if (key.startsWith("v3/manifests/spec") || key.contains("layout")) {
        HttpResponse<byte[]> head = send("HEAD", "/s3/release/" + key, "", new byte[0]);
        assertEquals(200, head.statusCode(), key);
        HttpResponse<byte[]> get = send("GET", "/s3/release/" + key, "", new byte[0]);
        assertEquals(
            head.headers().firstValueAsLong("content-length").orElseThrow(), get.body().length);
      }
    }
  }

  @Test
  void aReadTokenReadsItsInstanceAndPutsNothing() throws Exception {
    String empty = Digest.EMPTY.hex();
    byte[] none = new byte[0];
    String layout = "/v3/layout.json";
    assertEquals(
        200, send("GET", "/s3/release" + layout, "", none, empty, READ_SECRET).statusCode());
    refused(
        403,
        "SignatureDoesNotMatch",
        send("GET", "/s3/review" + layout, "", none, empty, READ_SECRET));
    byte[] body = "{}".getBytes(StandardCharsets.US_ASCII);
    refused(
        403,
        "SignatureDoesNotMatch",
        send("PUT", "/s3/release" + layout, "", body, Digest.of(body).hex(), READ_SECRET));
  }

  @Test
  void listsComeInPages() throws Exception {
    push("v3-unsigned", "review");
    String query = "list-type=2&max-keys=1";
    String first = text(send("GET", "/s3/review", query, new byte[0]));
    Matcher next =
        Pattern.compile("<NextContinuationToken>([^<]+)</NextContinuationToken>").matcher(first);
    assertTrue(next.find() && first.contains("<IsTruncated>true</IsTruncated>"), first);
    String token = next.group(1).replace("=", "%3D");
    String second =
        text(
            send("GET", "/s3/review", "continuation-token=" + token + "&list-type=2", new byte[0]));
    assertTrue(second.contains("fl-left") && !second.contains("fl-core"), second);
    assertTrue(second.contains("<IsTruncated>false</IsTruncated>"), second);
  }

  @Test
  void whatNobodyVouchesForIsNotPut() throws Exception {
    String unsigned =
        files("v3-unsigned").stream()
            .filter(f -> f.contains("fl-core-1.0"))
            .findFirst()
            .orElseThrow();
    byte[] manifest = Files.readAllBytes(FIXTURES.resolve("v3-unsigned").resolve(unsigned));
    push("v3-unsigned", "review");
    refused(403, "AccessDenied", send("PUT", "/s3/release/" + unsigned, "", manifest));
    String other =
        "v3/manifests/spec/fl-core/fl-core-1.0-" + "a".repeat(32) + ".spec.manifest.json";
    refused(400, "InvalidRequest", send("PUT", "/s3/review/" + other, "", manifest));
    refused(400, "InvalidRequest", send("PUT", "/s3/built/" + unsigned, "", manifest));
    refused(403, "AccessDenied", send("PUT", "/s3/review/etc/passwd", "", manifest));
    refused(404, "NoSuchBucket", send("PUT", "/s3/nowhere/" + unsigned, "", manifest));
    refused(403, "AccessDenied", send("DELETE", "/s3/review/" + unsigned, "", new byte[0]));
    refused(
        400, "EntityTooLarge", send("PUT", "/s3/review/" + unsigned, "", new byte[(1 << 20) + 1]));
    String blob = "blobs/sha256/00/" + "0".repeat(64);
    refused(400, "BadDigest", send("PUT", "/s3/review/" + blob, "", manifest));
    refused(
        403,
        "SignatureDoesNotMatch",
        send("GET", "/s3/review", "list-type=2", new byte[0], Digest.EMPTY.hex(), "another"));
  }

  @Test
  void aBodyThatIsNotTheOneThatWasSignedIsRefused() throws Exception {
    byte[] body = "some bytes".getBytes(StandardCharsets.US_ASCII);
    String key = "v3/manifests/spec/x/x-1-" + "a".repeat(32) + ".spec.manifest.json";
    HttpResponse<byte[]> put =
        send("PUT", "/s3/review/" + key, "", body, Digest.of(new byte[1]).hex(), SECRET);
    assertEquals(500, put.statusCode(), text(put));
    assertEquals(404, send("HEAD", "/s3/review/" + key, "", new byte[0]).statusCode());
  }

  @Test
  void aLargeBlobComesInParts() throws Exception {
    byte[] large = new byte[(1 << 20) + 17];
    new Random(1).nextBytes(large);
    Digest digest = Digest.of(large);
    String path = "/s3/review/blobs/sha256/" + digest.hex().substring(0, 2) + "/" + digest.hex();
    String begun = text(send("POST", path, "uploads", new byte[0]));
    Matcher id = Pattern.compile("<UploadId>([^<]+)</UploadId>").matcher(begun);
    assertTrue(id.find(), begun);
    byte[] head = java.util.Arrays.copyOf(large, 1 << 20);
    byte[] tail = java.util.Arrays.copyOfRange(large, 1 << 20, large.length);
    String upload = "uploadId=" + id.group(1);
    assertEquals(200, send("PUT", path, "partNumber=2&" + upload, tail).statusCode());
    refused(400, "InvalidPart", complete(path, upload, 1, 2));
    assertEquals(200, send("PUT", path, "partNumber=1&" + upload, head).statusCode());
    refused(400, "InvalidPartOrder", complete(path, upload, 2, 1));
    assertEquals(200, complete(path, upload, 1, 2).statusCode());
    assertArrayEquals(large, blobs.readAll(Scope.farm("review"), digest));
    refused(404, "NoSuchUpload", complete(path, upload, 1, 2));
  }

  private HttpResponse<byte[]> complete(String path, String upload, int... parts) throws Exception {
    StringBuilder xml = new StringBuilder("<CompleteMultipartUpload>");
    for (int part : parts) {
      xml.append("<Part><ETag>x</ETag><PartNumber>").append(part).append("</PartNumber></Part>");
    }
    xml.append("</CompleteMultipartUpload>");
    return send("POST", path, upload, xml.toString().getBytes(StandardCharsets.US_ASCII));
  }
}
