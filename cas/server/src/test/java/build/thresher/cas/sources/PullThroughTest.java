package build.thresher.cas.sources;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.sources.SourceFetcher.Address;
import com.google.common.collect.ImmutableMap;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** What readers over HTTP get of sources that only another mirror has. */
class PullThroughTest extends PulledSources {
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
    gives(PulledSources::whole);
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
    gives(PulledSources::whole);
    farm(PullThrough.Limits.DEFAULTS, true, CONTENT.length - 1, URI.create(base()));
    assertEquals(404, status(PATH));
    requireNothingKept();
  }

  @Test
  void switchedOffItServesWhatIsThere() throws Exception {
    gives(PulledSources::whole);
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
