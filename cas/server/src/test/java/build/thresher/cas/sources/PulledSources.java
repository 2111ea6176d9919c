package build.thresher.cas.sources;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.thresher.cas.api.Digest;
import build.thresher.cas.http.MirrorHttpOptions;
import build.thresher.cas.http.MirrorServer;
import build.thresher.cas.mirror.MemoryBlobStore;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.SpackFixture;
import build.thresher.cas.mirror.TestKeys;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A farm's mirror over HTTP, and another mirror from which it takes what it lacks. */
@Timeout(180)
abstract class PulledSources {
  static final byte[] CONTENT = "an archive".repeat(30_000).getBytes(StandardCharsets.UTF_8);
  static final Digest DIGEST = Digest.of(CONTENT);
  static final String PATH = path(DIGEST.hex(), ".tar.gz");

  @TempDir Path dir;
  final MemoryBlobStore blobs = new MemoryBlobStore();
  final HttpClient client = HttpClient.newHttpClient();
  final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  final AtomicInteger asked = new AtomicInteger();
  private final AtomicLong later = new AtomicLong();

  /** Whatever a test has waiting is let go at its end. */
  final CountDownLatch go = new CountDownLatch(1);

  /** Of the farm with a mirror that says nothing. */
  Duration patience = Duration.ofSeconds(20);

  HttpServer upstream;
  private RocksSpackMirror mirror;
  SourceFetcher fetcher;
  private MirrorServer farm;

  interface Answer {
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

  static HttpServer upstream(int port) throws IOException {
    HttpServer made =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    made.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    made.start();
    return made;
  }

  void gives(Answer answer) {
    gives(PATH, answer);
  }

  void gives(String path, Answer answer) {
    upstream.createContext(
        "/mirror/" + path,
        exchange -> {
          asked.incrementAndGet();
          try (exchange) {
            answer.to(exchange);
          }
        });
  }

  static void whole(HttpExchange exchange) throws IOException {
    exchange.sendResponseHeaders(200, CONTENT.length);
    exchange.getResponseBody().write(CONTENT);
  }

  void await() {
    try {
      go.await();
    } catch (InterruptedException e) {
      throw new UncheckedIOException(new IOException(e));
    }
  }

  String base() {
    return "http://127.0.0.1:" + upstream.getAddress().getPort() + "/mirror";
  }

  final void farm(PullThrough.Limits limits, boolean on, long maxBytes, URI... mirrors)
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

  static String path(String hex, String extension) {
    return "_source-cache/archive/" + hex.substring(0, 2) + "/" + hex + extension;
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + farm.port() + "/mirror/" + path))
        .timeout(Duration.ofSeconds(60));
  }

  HttpResponse<byte[]> get(String path) throws Exception {
    return client.send(request("default/" + path).build(), BodyHandlers.ofByteArray());
  }

  int status(String path) throws Exception {
    return get(path).statusCode();
  }

  void pass(Duration time) {
    later.addAndGet(time.toNanos());
  }

  void requireNothingKept() throws Exception {
    assertEquals(0, blobs.statistics().blobs());
    try (var spool = Files.list(dir.resolve("sources/spool"))) {
      assertEquals(List.of(), spool.toList());
    }
  }
}
