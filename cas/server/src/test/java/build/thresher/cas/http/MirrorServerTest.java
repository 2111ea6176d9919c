package build.thresher.cas.http;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.mirror.MemoryBlobStore;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.SpackFixture;
import build.thresher.cas.mirror.TestKeys;
import com.google.common.collect.ImmutableMap;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MirrorServerTest {
  private static final String INDEX = "v3/manifests/index/index.manifest.json";

  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private final HttpClient client = HttpClient.newHttpClient();
  private RocksSpackMirror mirror;
  private MirrorServer server;
  private BuiltSpec built;

  private static final byte[] SOURCE = "a source".getBytes(StandardCharsets.UTF_8);
  private Digest source = Digest.EMPTY;

  @BeforeAll
  void start(@TempDir Path dir) throws Exception {
    mirror =
        RocksSpackMirror.open(
            dir.resolve("db"),
            blobs,
            TestKeys.signers(dir),
            SpackFixture.mirrorOptions("default", "closed", "team/project"),
            InstantSource.system());
    for (BuiltSpec each : SpackFixture.builtSpecs(blobs)) {
      mirror.publish("default", each);
      mirror.publish("closed", each);
      mirror.publish("team/project", each);
    }
    built = SpackFixture.builtSpec(blobs, "fl-core");
    source = blobs.put(Scope.farm(""), SOURCE);
    server =
        MirrorServer.start(
            MirrorHttpOptions.listeningOn("127.0.0.1", 0),
            mirror,
            blobs,
            (instance, path) ->
                isSource(path) ? new SourceLookup.Stored(source) : new SourceLookup.Missing(),
            (role, instance, who) ->
                !instance.equals("closed") || who.token().equals(Optional.of("sesame")),
            ImmutableMap.of());
  }

  private boolean isSource(String path) {
    String hex = source.hex();
    String bare = "_source-cache/archive/" + hex.substring(0, 2) + "/" + hex;
    return path.equals(bare) || path.startsWith(bare + ".");
  }

  @AfterAll
  void stop() {
    server.stop();
    mirror.close();
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(
        URI.create("http://127.0.0.1:" + server.port() + "/mirror/default/" + path));
  }

  private HttpResponse<byte[]> send(HttpRequest.Builder request) throws Exception {
    return client.send(request.timeout(Duration.ofSeconds(30)).build(), BodyHandlers.ofByteArray());
  }

  private String archivePath() {
    String hex = built.archive().hex();
    return "blobs/sha256/" + hex.substring(0, 2) + "/" + hex;
  }

  private static String header(HttpResponse<?> response, String name) {
    return response.headers().firstValue(name).orElse("");
  }

  @Test
  void aBlobComesWholeWithLengthTypeAndTag() throws Exception {
    HttpResponse<byte[]> r = send(request(archivePath()));
    assertEquals(200, r.statusCode());
    assertArrayEquals(SpackFixture.blob(built.archive()), r.body());
    assertEquals(Long.toString(built.archive().sizeBytes()), header(r, "content-length"));
    assertEquals(built.archiveMediaType(), header(r, "content-type"));
    assertEquals("\"" + built.archive().hex() + "\"", header(r, "etag"));
  }

  @Test
  void aSourceIsReadUnderItsChecksumAndNothingElseIs() throws Exception {
    String hex = source.hex();
    String path = "_source-cache/archive/" + hex.substring(0, 2) + "/" + hex;
    for (String good : List.of(path, path + ".tar.gz", path + ".patch")) {
      HttpResponse<byte[]> r = send(request(good));
      assertEquals(200, r.statusCode(), good);
      assertArrayEquals(SOURCE, r.body());
    }
    String archive = built.archive().hex();
    for (String bad :
        List.of(
            "_source-cache/archive/" + archive.substring(0, 2) + "/" + archive + ".tar.gz",
            "_source-cache/archive/00/" + hex,
            "_source-cache/archive/" + hex,
            "_source-cache/git/x/y.tar.gz",
            path + "/more",
            path.toUpperCase(java.util.Locale.ROOT))) {
      assertEquals(404, send(request(bad)).statusCode(), bad);
    }
  }

  @Test
  void headSaysWhatGetWouldSay() throws Exception {
    for (String path : List.of(archivePath(), INDEX, "v3/layout.json")) {
      HttpResponse<byte[]> get = send(request(path));
      HttpResponse<byte[]> head = send(request(path).HEAD());
      assertEquals(200, head.statusCode(), path);
      assertEquals(0, head.body().length);
      for (String name : List.of("content-length", "etag", "content-type", "accept-ranges")) {
        assertEquals(header(get, name), header(head, name), path + " " + name);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "bytes=0-0, 0, 1",
    "bytes=10-19, 10, 10",
    "bytes=100-, 100, -1",
    "bytes=-7, -7, 7",
    "bytes=5-99999999, 5, -1",
  })
  void aRangeGivesItsBytes(String range, int offset, int length) throws Exception {
    byte[] whole = SpackFixture.blob(built.archive());
    int from = offset < 0 ? whole.length + offset : offset;
    int to = length < 0 ? whole.length : from + length;
    HttpResponse<byte[]> r = send(request(archivePath()).header("Range", range));
    assertEquals(206, r.statusCode());
    assertArrayEquals(Arrays.copyOfRange(whole, from, to), r.body());
    assertEquals(
        "bytes %d-%d/%d".formatted(from, to - 1, whole.length), header(r, "content-range"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"bytes=999999-", "bytes=-0", "bytes=999999-9999999"})
  void aRangeBeyondTheEndIsRefused(String range) throws Exception {
    HttpResponse<byte[]> r = send(request(archivePath()).header("Range", range));
    assertEquals(416, r.statusCode());
    assertEquals("bytes */" + built.archive().sizeBytes(), header(r, "content-range"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"bytes=0-1,4-5", "lines=1-2", "bytes=9-3", "bytes=-", "nonsense"})
  void anythingElseAsARangeIsIgnored(String range) throws Exception {
    HttpResponse<byte[]> r = send(request(archivePath()).header("Range", range));
    assertEquals(200, r.statusCode());
    assertEquals(built.archive().sizeBytes(), r.body().length);
  }

  @Test
  void anUnchangedIndexIsNotSentAgain() throws Exception {
    String etag = header(send(request(INDEX)), "etag");
    assertTrue(etag.matches("\"[0-9a-f]{64}\""), etag);
    HttpResponse<byte[]> r = send(request(INDEX).header("If-None-Match", etag));
    assertEquals(304, r.statusCode());
    assertEquals(0, r.body().length);
    assertEquals(etag, header(r, "etag"));
    assertEquals(200, send(request(INDEX).header("If-None-Match", "\"other\"")).statusCode());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nothing",
        "build_cache/index.json",
        "v3/manifests/spec/a/a-1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.spec.manifest.json",
        "blobs/sha256/00/0000000000000000000000000000000000000000000000000000000000000000"
      })
  void whatIsNotThereIsA404WithoutAPage(String path) throws Exception {
    for (HttpRequest.Builder request : List.of(request(path), request(path).HEAD())) {
      HttpResponse<byte[]> r = send(request);
      assertEquals(404, r.statusCode());
      assertTrue(r.body().length < 100);
      assertEquals("text/plain; charset=utf-8", header(r, "content-type"));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/mirror/default/../default/v3/layout.json",
        "/mirror/default//v3/layout.json",
        "/mirror/default/./v3/layout.json",
        "/mirror/default/%2e%2e/default/v3/layout.json",
        "/mirror/default/%252e%252e/v3/layout.json",
        "/mirror/default/v3/layout.json%00",
        "/mirror/default/v3\\layout.json",
        "/mirror/default/v3%5clayout.json",
        "/mirror/default/v3%2flayout.json/..",
        "/mirror/default/v3/layout.json;a=b",
        "/mirror/default/%c0%ae%c0%ae/layout.json",
        "/mirror/default/v3/layout.json/",
        "/mirror/default/%",
        "/mirror/default/%zz",
        "/mirror//v3/layout.json",
        "//mirror/default/v3/layout.json",
        "http://elsewhere/mirror/default/v3/layout.json",
        "*",
        "/../../etc/passwd"
      })
  void noPathLeadsAstray(String path) throws Exception {
    String answer = raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assertTrue(answer.matches("(?s)HTTP/1.1 40[04] .*"), path + " → " + answer);
  }

  @Test
  void otherMethodsAreRefused() throws Exception {
    for (String method : List.of("PUT", "POST", "DELETE")) {
      HttpRequest.Builder r =
          request(archivePath()).method(method, HttpRequest.BodyPublishers.noBody());
      assertEquals(405, send(r).statusCode(), method);
    }
  }

  @Test
  void whoMayNotReadIsToldSo() throws Exception {
    URI closed =
        URI.create("http://127.0.0.1:" + server.port() + "/mirror/closed/" + archivePath());
    assertEquals(401, send(HttpRequest.newBuilder(closed)).statusCode());
    assertEquals(
        200,
        send(HttpRequest.newBuilder(closed).header("Authorization", "Bearer sesame")).statusCode());
  }

  @Test
  void aTokenMayStandInTheUrl() throws Exception {
    for (String token : List.of("sesame", "another")) {
      URI closed =
          URI.create(
              "http://127.0.0.1:%d/mirror/closed/t/%s/v3/layout.json"
                  .formatted(server.port(), token));
      assertEquals(
          token.equals("sesame") ? 200 : 401, send(HttpRequest.newBuilder(closed)).statusCode());
    }
  }

  @Test
  void anInstanceWhoseNameHasSlashesHasItsMirror() throws Exception {
    for (String path : List.of(archivePath(), INDEX, "v3/layout.json")) {
      URI uri = URI.create("http://127.0.0.1:" + server.port() + "/mirror/team/project/" + path);
      assertEquals(200, send(HttpRequest.newBuilder(uri)).statusCode(), path);
    }
    URI half = URI.create("http://127.0.0.1:" + server.port() + "/mirror/team/v3/layout.json");
    assertEquals(404, send(HttpRequest.newBuilder(half)).statusCode());
  }

  @Test
  void healthIsPlain() throws Exception {
    String answer = raw("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assertTrue(answer.startsWith("HTTP/1.1 200 ") && answer.endsWith("\r\n\r\nok\n"), answer);
  }

  @Test
  void endlessHeadersAndRequestLinesEnd() throws Exception {
    String line =
        raw("GET /" + "a".repeat(100_000) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assertTrue(line.isEmpty() || line.startsWith("HTTP/1.1 4"), line);
    String headers =
        raw(
            "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                + "A: b\r\n".repeat(50_000)
                + "\r\n");
    assertTrue(headers.isEmpty() || headers.startsWith("HTTP/1.1 4"), headers);
  }

  @Test
  void aRequestThatComesByteByByteHasNoLongerThanOneThatComesAtOnce() throws Exception {
    MirrorHttpOptions patient = MirrorHttpOptions.listeningOn("127.0.0.1", 0);
    MirrorHttpOptions options =
        new MirrorHttpOptions(
            patient.host(),
            0,
            patient.tls(),
            patient.maxConnections(),
            Duration.ofSeconds(1),
            patient.stallTimeout());
    try (MirrorServer quick =
        MirrorServer.start(
            options,
            mirror,
            blobs,
            SourceLookup.NONE,
            (role, instance, who) -> false,
            ImmutableMap.of("/door", (request, response) -> response.status(401).send()))) {
      dripUntilClosed(quick, "GET /healthz HTTP/1.1\r\nHost: x\r\n");
      dripUntilClosed(quick, "PUT /door HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    }
  }

  @Test
  void connectionsBeyondTheLimitWaitForOneToEnd() throws Exception {
    MirrorHttpOptions options =
        new MirrorHttpOptions(
            "127.0.0.1", 0, Optional.empty(), 1, Duration.ofSeconds(30), Duration.ofSeconds(30));
    byte[] request =
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1);
    try (MirrorServer small =
            MirrorServer.start(
                options,
                mirror,
                blobs,
                SourceLookup.NONE,
                (role, instance, who) -> false,
                ImmutableMap.of());
        Socket first = new Socket("127.0.0.1", small.port());
        Socket second = new Socket()) {
      first.getOutputStream().write(request);
      assertEquals('H', first.getInputStream().read());
      second.connect(new java.net.InetSocketAddress("127.0.0.1", small.port()));
      second.getOutputStream().write(request);
      second.setSoTimeout(300);
      assertThrows(java.net.SocketTimeoutException.class, () -> second.getInputStream().read());
      first.close();
      second.setSoTimeout(20_000);
      assertEquals('H', second.getInputStream().read());
    }
  }

  @Test
  void aBodyThatIsTooLargeIsRefusedBeforeItComes() throws Exception {
    try (MirrorServer withDoor =
        MirrorServer.start(
            MirrorHttpOptions.listeningOn("127.0.0.1", 0),
            mirror,
            blobs,
            SourceLookup.NONE,
            (role, instance, who) -> false,
            ImmutableMap.of("/door", (request, response) -> response.status(401).send()))) {
      String begin = "PUT /door HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ";
      String large = raw(withDoor, begin + ((64L << 30) + 1) + "\r\n\r\n");
      assertTrue(large.startsWith("HTTP/1.1 413"), large);
      String other = raw(withDoor, begin + "0\r\n\r\n");
      assertTrue(other.startsWith("HTTP/1.1 401"), other);
    }
  }

  @Test
  void whoTakesNothingOfAnAnswerIsDisconnectedAndWhoTakesLittleIsNot() throws Exception {
    Duration patience = Duration.ofSeconds(2);
    byte[] large = new byte[48 << 20]; // more than fits into the buffers of both ends
    Digest digest = blobs.put(Scope.farm(""), large);
    MirrorHttpOptions options =
        new MirrorHttpOptions(
            "127.0.0.1", 0, Optional.empty(), 10, Duration.ofSeconds(30), patience);
    String request =
        "GET /mirror/default/_source-cache/archive/aa/large.tar HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    try (MirrorServer quick =
            MirrorServer.start(
                options,
                mirror,
                blobs,
                (instance, path) -> new SourceLookup.Stored(digest),
                (role, instance, who) -> true,
                ImmutableMap.of());
        Socket slow = new Socket("127.0.0.1", quick.port())) {
      slow.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
      long taken = 0;
      long begun = System.nanoTime();
      while (System.nanoTime() - begun < 2 * patience.toNanos()) {
        taken += slow.getInputStream().readNBytes(1 << 20).length;
        Thread.sleep(200);
      }
      while (slow.getInputStream().read() >= 0) {
        taken += 1 + slow.getInputStream().skip(1 << 20);
      }
      assertTrue(taken > large.length, "cut off after " + taken);
      dripUntilClosed(quick, request);
    }
  }

  private static void dripUntilClosed(MirrorServer server, String begin) throws Exception {
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      socket.getOutputStream().write(begin.getBytes(StandardCharsets.ISO_8859_1));
      while (System.nanoTime() < deadline) {
        socket.getOutputStream().write('a');
        Thread.sleep(50);
      }
    } catch (java.net.SocketException closed) {
      return;
    }
    throw new AssertionError("still open: " + begin);
  }

  /** Sends bytes as they are: a client library would tidy them up. */
  private String raw(String request) throws IOException {
    return raw(server, request);
  }

  private static String raw(MirrorServer server, String request) throws IOException {
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      socket.setSoTimeout(20_000); // the connection is closed long before, as it was asked for
      ByteArrayOutputStream answer = new ByteArrayOutputStream();
      try {
        socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
        socket.getInputStream().transferTo(answer);
      } catch (java.net.SocketException e) {
        // The server closed while the request was still being sent.
      }
      return answer.toString(StandardCharsets.ISO_8859_1);
    }
  }
}
