package build.thresher.cas.sources;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Scanner;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What readers over HTTP get where the other mirror is away, slow, or wrong in the end. */
class PullThroughSlowlyTest extends PulledSources {
  private static final PullThrough.Limits QUICK =
      new PullThrough.Limits(
          Duration.ofMillis(300),
          Duration.ofSeconds(2),
          2,
          PullThrough.Limits.DEFAULTS.missing(),
          PullThrough.Limits.DEFAULTS.failed());

  /** The first 100,000 bytes, and where the others may go when the test lets them. */
  private OutputStream begun(HttpExchange exchange) throws IOException {
    exchange.sendResponseHeaders(200, CONTENT.length);
    OutputStream out = exchange.getResponseBody();
    out.write(CONTENT, 0, 100_000);
    out.flush();
    await();
    return out;
  }

  private void farm(PullThrough.Limits limits) throws Exception {
    farm(limits, true, CONTENT.length, URI.create(base()));
  }

  @Test
  void aMirrorThatWasAwayIsAskedAgainSoon() throws Exception {
    int port = upstream.getAddress().getPort();
    upstream.stop(0);
    assertEquals(404, status(PATH));
    upstream = upstream(port);
    gives(PulledSources::whole);
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
    gives(PulledSources::whole);
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
    gives(PulledSources::whole);
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
}
