package build.thresher.cas.sources;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.http.MirrorHttpOptions;
import build.thresher.cas.http.MirrorServer;
import build.thresher.cas.mirror.MemoryBlobStore;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.SpackFixture;
import build.thresher.cas.mirror.TestKeys;
import build.thresher.cas.sources.SourceFetcher.Address;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Scanner;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What readers over HTTP get of sources that only another mirror has. */
@Timeout(120)
class PullThroughTest {
  private static final byte[] CONTENT =
      "an archive".repeat(30_000).getBytes(StandardCharsets.UTF_8);
  private static final Digest DIGEST = Digest.of(CONTENT);
  private static final String PATH = path(DIGEST.hex(), ".tar.gz");
  private static final PullThrough.Limits QUICK =
      new PullThrough.Limits(
          Duration.ofMillis(300),
          Duration.ofSeconds(2),
          2,
          PullThrough.Limits.DEFAULTS.missing(),
          PullThrough.Limits.DEFAULTS.failed());

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private final HttpClient client = HttpClient.newHttpClient();
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final AtomicInteger asked = new AtomicInteger();
  private final AtomicLong later = new AtomicLong();

  /** Whatever a test has waiting is let go at its end. */
  private final CountDownLatch go = new CountDownLatch(1);

  /** Of the farm with a mirror that says nothing. */
  private Duration patience = Duration.ofSeconds(20);

  private HttpServer upstream;
  private RocksSpackMirror mirror;
  private SourceFetcher fetcher;
  private MirrorServer farm;

  private interface Answer {
    void to(HttpExchange exchange) throws IOException;
  }

  @BeforeEach
  void start() throws Exception {
    upstream = upstream(0);
    mirror =
        RocksSpackMirror.open(
            dir.resolve("db"),
            blobs,
            TestKeys.signers(dir),
            SpackFixture.mirrorOptions("default"),
            InstantSource.system());
    farm(PullThrough.Limits.DEFAULTS, true, CONTENT.length, URI.create(base()));
  }

  private static HttpServer upstream(int port) throws IOException {
    HttpServer made =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    made.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    made.start();
    return made;
  }

  private void gives(Answer answer) {
    gives(PATH, answer);
  }

  private void gives(String path, Answer answer) {
    upstream.createContext(
        "/mirror/" + path,
        exchange -> {
          asked.incrementAndGet();
          try (exchange) {
            answer.to(exchange);
          }
        });
  }

  private static void whole(HttpExchange exchange) throws IOException {
    exchange.sendResponseHeaders(200, CONTENT.length);
    exchange.getResponseBody().write(CONTENT);
  }

  /** The first 100,000 bytes, and where the others may go when the test lets them. */
  private OutputStream begun(HttpExchange exchange) throws IOException {
    exchange.sendResponseHeaders(200, CONTENT.length);
    OutputStream out = exchange.getResponseBody();
    out.write(CONTENT, 0, 100_000);
    out.flush();
    await();
    return out;
  }

  private void await() {
    try {
      go.await();
    } catch (InterruptedException e) {
      throw new UncheckedIOException(new IOException(e));
    }
  }

  private void farm(PullThrough.Limits limits) throws Exception {
    farm(limits, true, CONTENT.length, URI.create(base()));
  }

  private String base() {
    return "http://127.0.0.1:" + upstream.getAddress().getPort() + "/mirror";
  }

  private void farm(PullThrough.Limits limits, boolean on, long maxBytes, URI... mirrors)
      throws Exception {
    if (fetcher != null) {
      farm.stop();
      fetcher.close();
    }
    SourceOptions options =
        new SourceOptions(
            ImmutableList.copyOf(mirrors),
            false,
            on,
            true,
            maxBytes,
            patience,
            Duration.ofMinutes(1),
            0);
    fetcher = SourceFetcher.open(dir.resolve("sources"), blobs, options, System::nanoTime);
    PullThrough sources =
        new PullThrough(
            fetcher,
            instance -> {
              if (!instance.equals("default")) {
                throw new IllegalArgumentException("no such instance");
              }
              return instance;
            },
            limits,
            () -> System.nanoTime() + later.get());
    farm =
        MirrorServer.start(
            MirrorHttpOptions.listeningOn("127.0.0.1", 0),
            mirror,
            blobs,
            sources,
            (role, instance, who) -> true,
            ImmutableMap.of());
  }

  @AfterEach
  void stop() {
    go.countDown();
    threads.close();
    farm.stop();
    fetcher.close();
    mirror.close();
    upstream.stop(0);
  }

  private static String path(String hex, String extension) {
    return "_source-cache/archive/" + hex.substring(0, 2) + "/" + hex + extension;
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + farm.port() + "/mirror/" + path))
        .timeout(Duration.ofSeconds(60));
  }

  private HttpResponse<byte[]> get(String path) throws Exception {
    return client.send(request("default/" + path).build(), BodyHandlers.ofByteArray());
  }

  private int status(String path) throws Exception {
    return get(path).statusCode();
  }

  private void pass(Duration time) {
    later.addAndGet(time.toNanos());
  }

  private void requireNothingKept() throws Exception {
    assertEquals(0, blobs.statistics().blobs());
    try (var spool = Files.list(dir.resolve("sources/spool"))) {
      assertEquals(List.of(), spool.toList());
    }
  }

  @Test
  void fiftyReadersAtOnceGetWhatWasFetchedOnce() throws Exception {
    gives(
        exchange -> {
          await();
          whole(exchange);
        });
    List<Future<HttpResponse<byte[]>>> readers = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      readers.add(threads.submit(() -> get(PATH)));
    }
    while (asked.get() == 0) {
      Thread.sleep(5);
    }
    go.countDown();
    for (Future<HttpResponse<byte[]>> reader : readers) {
      assertEquals(200, reader.get().statusCode());
      assertArrayEquals(CONTENT, reader.get().body());
    }
    assertEquals(1, asked.get());
    assertArrayEquals(CONTENT, get("sources/" + PATH).body());
    assertEquals(1, asked.get());
    List<String> listed = new ArrayList<>();
    fetcher
        .mirror()
        .list(Scope.farm("default"), page -> page.forEach(source -> listed.add(source.path())));
    assertEquals(List.of(PATH), listed);
  }

  @Test
  void aHeadFetchesAsAGetDoes() throws Exception {
    gives(PullThroughTest::whole);
    HttpResponse<Void> head =
        client.send(
            request("default/" + PATH).method("HEAD", HttpRequest.BodyPublishers.noBody()).build(),
            BodyHandlers.discarding());
    assertEquals(200, head.statusCode());
    assertEquals(CONTENT.length, head.headers().firstValueAsLong("content-length").orElse(0));
    upstream.removeContext("/mirror/" + PATH);
    assertArrayEquals(CONTENT, get(PATH).body());
  }

  @Test
  void aDirectoryIsAMirrorToo() throws Exception {
    String sha512 = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-512").digest(CONTENT));
    for (String path : List.of(PATH, path(sha512, ".tar.gz"))) {
      Path file = dir.resolve("upstream").resolve(path);
      Files.createDirectories(file.resolveSibling("."));
      Files.write(file, CONTENT);
    }
    farm(PullThrough.Limits.DEFAULTS, true, CONTENT.length, dir.resolve("upstream").toUri());
    assertArrayEquals(CONTENT, get(path(sha512, ".tar.gz")).body());
    assertArrayEquals(CONTENT, get(PATH).body());
    assertEquals(1, blobs.statistics().blobs());
  }

  @Test
  void anotherContentIsNotServedNorKeptNorAskedForAgainAtOnce() throws Exception {
    gives(
        exchange -> {
          exchange.sendResponseHeaders(200, 5);
          exchange.getResponseBody().write("wrong".getBytes(StandardCharsets.US_ASCII));
        });
    assertEquals(404, status(PATH));
    requireNothingKept();
    assertEquals(404, status(PATH));
    assertEquals(1, asked.get());
    pass(Duration.ofSeconds(61));
    assertEquals(404, status(PATH));
    assertEquals(2, asked.get());
  }

  @Test
  void whatTheMirrorLacksIsAskedForOnceAMinuteAndServedAsSoonAsSomebodyBringsIt() throws Exception {
    gives(exchange -> exchange.sendResponseHeaders(404, -1));
    for (int i = 0; i < 5; i++) {
      assertEquals(404, status(PATH));
    }
    assertEquals(1, asked.get());
    pass(Duration.ofSeconds(61));
    assertEquals(404, status(PATH));
    assertEquals(2, asked.get());
    Scope scope = Scope.farm("default");
    fetcher.mirror().add(scope, blobs.put(scope, CONTENT), PATH, List.of());
    assertArrayEquals(CONTENT, get(PATH).body());
  }

  @Test
  void aMirrorThatWasAwayIsAskedAgainSoon() throws Exception {
    int port = upstream.getAddress().getPort();
    upstream.stop(0);
    assertEquals(404, status(PATH));
    upstream = upstream(port);
    gives(PullThroughTest::whole);
    assertEquals(404, status(PATH));
    assertEquals(0, asked.get());
    pass(Duration.ofSeconds(11));
    assertArrayEquals(CONTENT, get(PATH).body());
  }

  /** With an orderly end of the connection, before the length that it announced. */
  @Test
  void aMirrorThatBreaksOffIsAskedAgainSoon() throws Exception {
    int port = upstream.getAddress().getPort();
    upstream.stop(0);
    try (ServerSocket broken = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      Future<Boolean> answered = threads.submit(() -> breakOff(broken));
      assertEquals(404, status(PATH));
      assertTrue(answered.get());
    }
    requireNothingKept();
    upstream = upstream(port);
    gives(PullThroughTest::whole);
    pass(Duration.ofSeconds(11));
    assertArrayEquals(CONTENT, get(PATH).body());
  }

  private static boolean breakOff(ServerSocket listener) throws IOException {
    try (Socket client = listener.accept()) {
      Scanner request = new Scanner(client.getInputStream(), StandardCharsets.US_ASCII);
      while (!request.nextLine().isEmpty()) {
        // Were it left unread, the connection would be reset.
      }
      String head = "HTTP/1.1 200 OK\r\nContent-Length: " + CONTENT.length + "\r\n\r\n";
      client.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
      client.getOutputStream().write(CONTENT, 0, 1000);
      return true;
    }
  }

  /** Of two places one hangs: the other is there for whoever comes, and then there is none. */
  @Test
  void aMirrorThatHangsHoldsReadersNoLongerThanTheyWaitAnyway() throws Exception {
    List<String> hanging =
        List.of(path("a".repeat(64), ".tar.gz"), path("b".repeat(64), ".tar.gz"));
    hanging.forEach(path -> gives(path, exchange -> await()));
    gives(PullThroughTest::whole);
    farm(QUICK);
    HttpResponse<byte[]> first = get(hanging.getFirst());
    assertEquals(503, first.statusCode());
    assertEquals("5", first.headers().firstValue("retry-after").orElse(""));
    assertEquals(503, status(hanging.getFirst()));
    assertEquals(1, asked.get());
    assertArrayEquals(CONTENT, get(PATH).body());
    assertEquals(503, status(hanging.getLast()));
    assertEquals(503, status(path("c".repeat(64), ".tar.gz")));
    assertEquals(3, asked.get());
    assertArrayEquals(CONTENT, get(PATH).body());
    go.countDown();
    while (status(path("c".repeat(64), ".tar.gz")) != 404) {
      Thread.sleep(50);
    }
  }

  /** What the second mirror has waits for the first one once, not for each source. */
  @Test
  void aMirrorThatHangsIsAskedLastForAWhile() throws Exception {
    gives(exchange -> await());
    byte[] more = {1, 2, 3};
    Path other = dir.resolve("other");
    for (byte[] content : List.of(CONTENT, more)) {
      Path file = other.resolve(path(Digest.of(content).hex(), ".tar.gz"));
      Files.createDirectories(file.resolveSibling("."));
      Files.write(file, content);
    }
    String second = path(Digest.of(more).hex(), ".tar.gz");
    gives(second, exchange -> await());
    patience = Duration.ofSeconds(1);
    farm(QUICK, true, CONTENT.length, URI.create(base()), other.toUri());
    while (status(PATH) != 200) {
      Thread.sleep(50);
    }
    assertEquals(1, asked.get());
    assertArrayEquals(more, get(second).body());
    assertEquals(1, asked.get());
  }

  /** The first bytes are with the reader while the mirror still has the others. */
  @Test
  void whatComesSlowlyIsHandedOnWhileItComes() throws Exception {
    gives(exchange -> begun(exchange).write(CONTENT, 100_000, CONTENT.length - 100_000));
    farm(QUICK);
    List<InputStream> readers = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      HttpResponse<InputStream> r =
          client.send(request("default/" + PATH).build(), BodyHandlers.ofInputStream());
      assertEquals(200, r.statusCode());
      assertTrue(r.headers().firstValue("content-length").isEmpty());
      readers.add(r.body());
    }
    for (InputStream in : readers) {
      assertEquals(99_999, in.readNBytes(99_999).length);
    }
    assertEquals(
        503,
        client
            .send(
                request("default/" + PATH)
                    .method("HEAD", HttpRequest.BodyPublishers.noBody())
                    .build(),
                BodyHandlers.discarding())
            .statusCode());
    go.countDown();
    for (InputStream in : readers) {
      assertEquals(CONTENT.length - 99_999, in.readAllBytes().length);
      in.close();
    }
    assertEquals(1, asked.get());
    assertArrayEquals(CONTENT, get(PATH).body());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whoReadsWhatTurnsOutWrongNeverHasAWhole(boolean anotherMirrorHasIt) throws Exception {
    gives(exchange -> begun(exchange).write(new byte[CONTENT.length - 100_000]));
    Path other = dir.resolve("other");
    if (anotherMirrorHasIt) {
      Files.createDirectories(other.resolve(PATH).resolveSibling("."));
      Files.write(other.resolve(PATH), CONTENT);
    }
    farm(QUICK, true, CONTENT.length, URI.create(base()), other.toUri());
    try (InputStream in =
        client.send(request("default/" + PATH).build(), BodyHandlers.ofInputStream()).body()) {
      AtomicInteger taken = new AtomicInteger(in.readNBytes(90_000).length);
      go.countDown();
      assertThrows(
          IOException.class,
          () -> {
            while (in.read() >= 0) {
              taken.incrementAndGet();
            }
          });
      assertTrue(taken.get() < CONTENT.length, "bytes taken: " + taken);
    }
    if (anotherMirrorHasIt) {
      assertArrayEquals(CONTENT, get(PATH).body());
    } else {
      assertEquals(404, status(PATH));
      requireNothingKept();
    }
  }

  @Test
  void nothingIsFetchedThatCannotBeVerifiedOrForNobody() throws Exception {
    upstream.createContext(
        "/",
        exchange -> {
          asked.incrementAndGet();
          try (exchange) {
            whole(exchange);
          }
        });
    for (String path :
        List.of(
            "_source-cache/git/group/repo.git/" + "0".repeat(40) + ".tar.gz",
            path("0".repeat(32), ".tar.gz"),
            path("0".repeat(40), ".tar.gz"),
            "_source-cache/archive/00/" + DIGEST.hex() + ".tar.gz",
            "_source-cache/archive/../" + PATH,
            "sources/zlib/zlib-1.3.1.tar.gz")) {
      int status = status(path);
      assertTrue(status == 404 || status == 400, path + " " + status);
    }
    assertEquals(
        404,
        client.send(request("stranger/" + PATH).build(), BodyHandlers.discarding()).statusCode());
    assertEquals(0, asked.get());
  }

  @Test
  void whatIsTooLargeIsNotKept() throws Exception {
    gives(PullThroughTest::whole);
    farm(PullThrough.Limits.DEFAULTS, true, CONTENT.length - 1, URI.create(base()));
    assertEquals(404, status(PATH));
    requireNothingKept();
  }

  @Test
  void switchedOffItServesWhatIsThere() throws Exception {
    gives(PullThroughTest::whole);
    farm(PullThrough.Limits.DEFAULTS, false, CONTENT.length, URI.create(base()));
    assertEquals(404, status(PATH));
    assertEquals(0, asked.get());
    fetcher.fetch(Scope.farm("default"), Checksums.sha256(DIGEST), PATH, List.of());
    assertArrayEquals(CONTENT, get(PATH).body());
  }

  /** A build that may look elsewhere does so, though a reader's fetch was there before it. */
  @Test
  void aBuildDoesNotShareTheFailureOfAReaderWhoMayOnlyAskTheMirrors() throws Exception {
    gives(
        exchange -> {
          await();
          exchange.sendResponseHeaders(404, -1);
        });
    Path elsewhere = Files.write(dir.resolve("elsewhere"), CONTENT);
    Callable<Digest> build =
        () ->
            fetcher
                .fetch(
                    Scope.farm("default"),
                    Checksums.sha256(DIGEST),
                    PATH,
                    List.of(new Address(elsewhere.toUri().toString(), ImmutableMap.of())))
                .digest();
    Future<Integer> reader = threads.submit(() -> status(PATH));
    while (asked.get() == 0) {
      Thread.sleep(5);
    }
    Future<Digest> builder = threads.submit(build);
    assertFalse(builder.isDone());
    go.countDown();
    assertEquals(404, reader.get());
    // The address of a directory is refused to clients: what counts is that it was looked at.
    Exception refused = assertThrows(Exception.class, builder::get);
    assertTrue(String.valueOf(refused.getMessage()).contains("is not fetched"), refused.toString());
  }
}
