package build.thresher.cas.sources;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.Qualifier;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.assets.PushedAssets;
import build.thresher.cas.mirror.MemoryBlobStore;
import com.google.common.collect.ImmutableList;
import com.sun.net.httpserver.HttpServer;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SourceFetchServiceTest {
  private static final byte[] CONTENT =
      "an archive".repeat(10_000).getBytes(StandardCharsets.UTF_8);
  private static final Digest DIGEST = Digest.of(CONTENT);
  private static final String MIRROR_PATH =
      "_source-cache/archive/" + DIGEST.hex().substring(0, 2) + "/" + DIGEST.hex() + ".tar.gz";

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private final AtomicInteger downloads = new AtomicInteger();
  private HttpServer web;
  private SourceFetcher fetcher;

  @BeforeEach
  void start() throws Exception {
    web = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    web.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    web.createContext(
        "/file",
        exchange -> {
          downloads.incrementAndGet();
          boolean chunked = "chunked".equals(exchange.getRequestURI().getQuery());
          exchange.sendResponseHeaders(200, chunked ? 0 : CONTENT.length);
          try (var out = exchange.getResponseBody()) {
            out.write(CONTENT);
          }
        });
    web.createContext(
        "/redirect",
        exchange -> {
          exchange
              .getResponseHeaders()
              .add("Location", String.valueOf(exchange.getRequestURI().getQuery()));
          exchange.sendResponseHeaders(302, -1);
          exchange.close();
        });
    web.start();
    open(true, CONTENT.length, 0);
  }

  private void open(boolean allowPrivate, long maxBytes, URI... mirrors) throws Exception {
    open(allowPrivate, maxBytes, 0, mirrors);
  }

  private void open(boolean allowPrivate, long maxBytes, long reserveBytes, URI... mirrors)
      throws Exception {
    if (fetcher != null) {
      fetcher.close();
    }
    SourceOptions options =
        new SourceOptions(
            ImmutableList.copyOf(mirrors),
            allowPrivate,
            true,
            true,
            maxBytes,
            Duration.ofSeconds(20),
            Duration.ofMinutes(1),
            reserveBytes);
    fetcher = SourceFetcher.open(dir.resolve("sources"), blobs, options, System::nanoTime);
  }

  @AfterEach
  void stop() {
    fetcher.close();
    web.stop(0);
  }

  private String url(String path) {
    return "http://127.0.0.1:" + web.getAddress().getPort() + path;
  }

  private static FetchBlobRequest.Builder request(Digest digest, String... uris) {
    String sri = "sha256-" + Base64.getEncoder().encodeToString(digest.hashBytes());
    return FetchBlobRequest.newBuilder()
        .addAllUris(List.of(uris))
        .addQualifiers(Qualifier.newBuilder().setName("checksum.sri").setValue(sri))
        .addQualifiers(
            Qualifier.newBuilder().setName("thresher.mirror_path").setValue(MIRROR_PATH));
  }

  private FetchBlobResponse call(FetchBlobRequest.Builder request) throws Exception {
    CompletableFuture<FetchBlobResponse> answer = new CompletableFuture<>();
    new SourceFetchService(fetcher, PushedAssets.NONE, blobs, name -> name)
        .fetchBlob(
            request.build(),
            new StreamObserver<>() {
              @Override
              public void onNext(FetchBlobResponse response) {
                answer.complete(response);
              }

              @Override
              public void onError(Throwable failure) {
                answer.completeExceptionally(failure);
              }

              @Override
              public void onCompleted() {}
            });
    return answer.get();
  }

  private Status.Code code(FetchBlobRequest.Builder request) throws Exception {
    return Status.fromCodeValue(call(request).getStatus().getCode()).getCode();
  }

  private void requireStored() throws Exception {
    assertArrayEquals(CONTENT, blobs.readAll(Scope.farm(""), DIGEST));
    try (var spool = Files.list(dir.resolve("sources/spool"))) {
      assertEquals(0, spool.count(), "files left in the spool");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"/file", "/file?chunked", "/redirect?/file"})
  void aFileIsFetchedVerifiedAndStored(String path) throws Exception {
    FetchBlobResponse r = call(request(DIGEST, url("/nothing"), url(path)));
    assertEquals(0, r.getStatus().getCode(), r.getStatus().getMessage());
    assertEquals(DIGEST.hex(), r.getBlobDigest().getHash());
    assertEquals(DIGEST.sizeBytes(), r.getBlobDigest().getSizeBytes());
    assertEquals(url(path), r.getUri());
    requireStored();
  }

  @Test
  void whatWouldTouchTheDisksReserveIsNotFetchedAndLeavesNothing() throws Exception {
    open(true, CONTENT.length, Long.MAX_VALUE);
    ExecutionException full =
        assertThrows(ExecutionException.class, () -> call(request(DIGEST, url("/file"))));
    assertEquals(Status.Code.UNAVAILABLE, Status.fromThrowable(full).getCode());
    try (Stream<Path> left = Files.list(dir.resolve("sources/spool"))) {
      assertEquals(0, left.count());
    }
    open(true, CONTENT.length, 0);
    assertEquals(Status.Code.OK, code(request(DIGEST, url("/file"))));
  }

  @Test
  void whatIsStoredIsNotFetchedAgainNotEvenAfterARestart() throws Exception {
    call(request(DIGEST, url("/file")));
    open(true, CONTENT.length);
    assertEquals(Status.Code.OK, code(request(DIGEST)));
    assertEquals(1, downloads.get());
  }

  @Test
  void aBlobThatTheStoreLostIsFetchedAgain() throws Exception {
    call(request(DIGEST, url("/file")));
    blobs.delete(Scope.farm(""), DIGEST);
    assertEquals(Status.Code.OK, code(request(DIGEST, url("/file"))));
    requireStored();
  }

  @Test
  void aTimeoutEndsTheCallAndTheFetchGoesOn() throws Exception {
    CountDownLatch patience = new CountDownLatch(1);
    web.createContext(
        "/slow",
        exchange -> {
          try {
            patience.await();
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
          exchange.sendResponseHeaders(200, CONTENT.length);
          exchange.getResponseBody().write(CONTENT);
          exchange.close();
        });
    FetchBlobRequest.Builder hasty = request(DIGEST, url("/slow"));
    hasty.getTimeoutBuilder().setNanos(20_000_000);
    assertEquals(Status.Code.DEADLINE_EXCEEDED, code(hasty));
    patience.countDown();
    assertEquals(Status.Code.OK, code(request(DIGEST, url("/slow"))));
    requireStored();
    hasty.getTimeoutBuilder().setSeconds(-1);
    assertEquals(
        Status.Code.INVALID_ARGUMENT,
        Status.fromThrowable(assertThrows(ExecutionException.class, () -> call(hasty)).getCause())
            .getCode());
  }

  @Test
  void configuredMirrorsAreAskedFirst() throws Exception {
    Path file = dir.resolve("mirror/" + MIRROR_PATH);
    Files.createDirectories(file.getParent());
    Files.write(file, CONTENT);
    open(false, CONTENT.length, dir.resolve("mirror").toUri());
    FetchBlobResponse r = call(request(DIGEST, "https://192.0.2.1/never"));
    assertEquals(0, r.getStatus().getCode(), r.getStatus().getMessage());
    assertTrue(r.getUri().startsWith("file:"), r.getUri());
    requireStored();
  }

  @Test
  void anotherContentIsRefusedAndNotStored() throws Exception {
    Digest other = Digest.of(new byte[] {1});
    assertEquals(Status.Code.ABORTED, code(request(other, url("/file"))));
    assertEquals(0, blobs.statistics().blobs());
  }

  @Test
  void tooLargeAFileIsRefused() throws Exception {
    open(true, CONTENT.length - 1);
    assertEquals(Status.Code.RESOURCE_EXHAUSTED, code(request(DIGEST, url("/file?chunked"))));
    assertEquals(0, blobs.statistics().blobs());
  }

  @Test
  void anAddressThatHasItNotIsNamed() throws Exception {
    FetchBlobResponse r = call(request(DIGEST, url("/nothing")));
    assertEquals(Status.Code.NOT_FOUND.value(), r.getStatus().getCode());
    assertTrue(r.getStatus().getMessage().contains(url("/nothing") + " answers 404"));
  }

  @Test
  void privateAddressesAreRefused() throws Exception {
    open(false, CONTENT.length);
    assertEquals(Status.Code.PERMISSION_DENIED, code(request(DIGEST, url("/file"))));
    assertEquals(
        Status.Code.PERMISSION_DENIED,
        code(request(DIGEST, url("/file").replace("127.0.0.1", "localhost"))));
    assertEquals(0, downloads.get());
  }

  /**
   * A trusted mirror may be on loopback; where it redirects to is judged like anybody's address.
   */
  @Test
  void aRedirectToLoopbackIsRefused() throws Exception {
    open(false, CONTENT.length, URI.create(url("/redirect?" + url("/file") + "&x=")));
    assertEquals(Status.Code.PERMISSION_DENIED, code(request(DIGEST)));
    assertEquals(0, downloads.get());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"file:///etc/passwd", "gopher://x/", "http://user:pw@192.0.2.1/", "jar:file:/x"})
  void otherAddressesAreRefused(String uri) throws Exception {
    assertEquals(Status.Code.PERMISSION_DENIED, code(request(DIGEST, uri)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://me:canary@127.0.0.1:1/x",
        "http://127.0.0.1:1/x?token=canary",
        "http://127.0.0.1:1/x#canary",
        "http://me:cana/canary@127.0.0.1:1/x",
        "http://me:canary@127.0.0.1:1/no address",
        "ftp://me:canary@127.0.0.1/x",
        "canary:127.0.0.1"
      })
  void whatMayBeSecretInAnAddressIsShownToNobody(String uri) throws Exception {
    String message = call(request(DIGEST, uri)).getStatus().getMessage();
    assertFalse(message.contains("canary"), message);
    assertTrue(message.contains("could not be fetched; "), message);
  }

  @Test
  void whatMayBeSecretWhereARedirectLeadsIsShownToNobody() throws Exception {
    String elsewhere = url("/nothing?signature=canary");
    String message = call(request(DIGEST, url("/redirect?" + elsewhere))).getStatus().getMessage();
    assertTrue(message.contains(url("/nothing?…") + " answers 404"), message);
  }

  @ParameterizedTest
  @CsvSource({
    "127.0.0.1,false",
    "10.1.2.3,false",
    "172.16.0.1,false",
    "192.168.1.1,false",
    "169.254.169.254,false",
    "100.64.0.1,false",
    "0.0.0.0,false",
    "224.0.0.1,false",
    "255.255.255.255,false",
    "::1,false",
    "fe80::1,false",
    "fd00::1,false",
    "::ffff:127.0.0.1,false",
    "64:ff9b::7f00:1,false",
    "2002:7f00:1::,false",
    "8.8.8.8,true",
    "2606:4700::1,true"
  })
  void onlyPublicAddressesAreConnectedTo(String address, boolean isPublic) throws Exception {
    assertEquals(isPublic, Addresses.isPublic(InetAddress.getByName(address)));
  }

  @Test
  void manyWhoAskAtOnceShareOneFetch() throws Exception {
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Callable<Status.Code>> calls = new ArrayList<>();
      for (int i = 0; i < 50; i++) {
        calls.add(() -> code(request(DIGEST, url("/file"))));
      }
      for (var f : threads.invokeAll(calls)) {
        assertEquals(Status.Code.OK, f.get());
      }
    }
    assertEquals(1, downloads.get());
  }

  private static String sri(String algorithm, byte[] content) throws Exception {
    String name = algorithm.replace("sha", "SHA-");
    byte[] hash = MessageDigest.getInstance(name).digest(content);
    return algorithm + "-" + Base64.getEncoder().encodeToString(hash);
  }

  private FetchBlobRequest.Builder requestSri(String sri, String... uris) {
    return FetchBlobRequest.newBuilder()
        .addAllUris(List.of(uris))
        .addQualifiers(Qualifier.newBuilder().setName("checksum.sri").setValue(sri));
  }

  @ParameterizedTest
  @ValueSource(strings = {"sha256", "sha384", "sha512"})
  void everyAlgorithmIsKnownAndRememberedAfterARestart(String algorithm) throws Exception {
    assertEquals(Status.Code.OK, code(requestSri(sri(algorithm, CONTENT), url("/file"))));
    requireStored();
    open(true, CONTENT.length);
    FetchBlobResponse again = call(requestSri(sri(algorithm, CONTENT)));
    assertEquals(0, again.getStatus().getCode());
    assertEquals(DIGEST.hex(), again.getBlobDigest().getHash());
    assertEquals(1, downloads.get());
  }

  @Test
  void ofEachAlgorithmOneHashMustFit() throws Exception {
    byte[] other = {1};
    String right = sri("sha512", CONTENT);
    assertEquals(
        Status.Code.OK,
        code(
            requestSri(
                sri("sha256", other) + "  " + sri("sha256", CONTENT) + "\n" + right,
                url("/file"))));
    // What is stored under its SHA-256 must still be what the other algorithm says.
    for (String wrong :
        List.of(
            sri("sha256", CONTENT) + " " + sri("sha512", other),
            sri("sha256", other) + " " + right)) {
      assertEquals(Status.Code.ABORTED, code(requestSri(wrong, url("/file"))));
    }
    for (String malformed :
        List.of(
            "", " ", "sha256", "sha256-", "sha256-AAAA", "md5-AAAA", "sha256-%%", right + "-")) {
      ExecutionException e =
          assertThrows(
              ExecutionException.class, () -> call(requestSri(malformed, url("/file"))), malformed);
      assertEquals(Status.Code.INVALID_ARGUMENT, Status.fromThrowable(e).getCode());
    }
  }

  @Test
  void headersReachTheAddressThatTheyAreForAndNoOther() throws Exception {
    List<String> seen = Collections.synchronizedList(new ArrayList<>());
    HttpServer elsewhere =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    for (HttpServer one : List.of(web, elsewhere)) {
      one.createContext(
          "/secret",
          exchange -> {
            var headers = exchange.getRequestHeaders();
            String where = one == web ? "web " : "elsewhere ";
            seen.add(
                "%s%s %s %s"
                    .formatted(
                        where,
                        headers.getFirst("Authorization"),
                        headers.getFirst("X-All"),
                        headers.getFirst("X-Old")));
            exchange.sendResponseHeaders(404, -1);
            exchange.close();
          });
    }
    elsewhere.start();
    String away = "http://127.0.0.1:" + elsewhere.getAddress().getPort() + "/secret";
    FetchBlobRequest.Builder request =
        request(DIGEST, url("/secret"), url("/redirect?" + away), away);
    for (String[] q :
        new String[][] {
          {"http_header_url:0:Authorization", "Bearer 0"},
          {"http_header_url:1:Authorization", "Bearer 1"},
          {"http_header:X-All", "all"},
          {"bazel.auth_headers", "{\"%s\": {\"X-Old\": [\"old\"]}}".formatted(url("/secret"))},
          {"bazel.canonical_id", "id"}
        }) {
      request.addQualifiers(Qualifier.newBuilder().setName(q[0]).setValue(q[1]));
    }
    assertEquals(Status.Code.NOT_FOUND, code(request));
    elsewhere.stop(0);
    assertEquals(
        List.of("web Bearer 0 all old", "elsewhere null null null", "elsewhere null all null"),
        seen);
    for (String[] bad :
        new String[][] {
          {"http_header:Host", "evil"},
          {"http_header:X", "a\r\nHost: evil"},
          {"http_header:", "a"},
          {"http_header:a b", "a"},
          {"http_header_url:x:A", "a"},
          {"bazel.auth_headers", "{"},
          {"directory", "a/../b"},
          {"directory", "a/"}
        }) {
      FetchBlobRequest.Builder refused =
          request(DIGEST, url("/file"))
              .addQualifiers(Qualifier.newBuilder().setName(bad[0]).setValue(bad[1]));
      ExecutionException e = assertThrows(ExecutionException.class, () -> call(refused), bad[0]);
      assertEquals(Status.Code.INVALID_ARGUMENT, Status.fromThrowable(e).getCode());
    }
  }

  @Test
  void malformedRequestsFailTheCall() {
    FetchBlobRequest.Builder escaping =
        request(DIGEST)
            .setQualifiers(
                1,
                Qualifier.newBuilder().setName("thresher.mirror_path").setValue("../etc/passwd"));
    FetchBlobRequest.Builder unknown =
        request(DIGEST).addQualifiers(Qualifier.newBuilder().setName("vcs.tag"));
    FetchBlobRequest.Builder unverified = FetchBlobRequest.newBuilder().addUris(url("/file"));
    for (FetchBlobRequest.Builder bad : List.of(escaping, unknown, unverified)) {
      ExecutionException e = assertThrows(ExecutionException.class, () -> call(bad));
      assertEquals(Status.Code.INVALID_ARGUMENT, Status.fromThrowable(e).getCode());
    }
  }
}
