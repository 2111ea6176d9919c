package build.thresher.cas.reapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchDirectoryRequest;
import build.bazel.remote.asset.v1.FetchDirectoryResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.asset.v1.PushBlobRequest;
import build.bazel.remote.asset.v1.PushDirectoryRequest;
import build.bazel.remote.asset.v1.PushGrpc;
import build.bazel.remote.asset.v1.Qualifier;
import build.bazel.remote.execution.v2.Directory;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.assets.AssetTable;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.sources.SourceFetchService;
import build.thresher.cas.sources.SourceFetcher;
import build.thresher.cas.sources.SourceOptions;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.google.protobuf.Timestamp;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Push and Fetch over real gRPC: what an address stands for is whole, or nobody is told of it. */
final class PushedAssetsTest {
  private static final Scope SCOPE = new Scope(ReapiServer.INSTANCE, "test");
  private static final Duration LIFETIME = Duration.ofHours(3);
  private static final int SIZE = 10_000;
  private static final String URN = "urn:fdc:buildstream.build:2020:artifact:project/element/key";

  @TempDir Path temp;
  private final AtomicReference<Instant> now =
      new AtomicReference<>(Instant.parse("2026-01-01T00:30:00Z"));
  private RocksBlobStore store;
  private SourceFetcher fetcher;
  private ReapiServer server;

  @BeforeEach
  void open() throws IOException {
    store =
        RocksBlobStore.open(
            temp.resolve("store"),
            StoreOptions.DEFAULTS
                .withReserveBytes(0)
                .withLargeBlobBytes(16 << 10)
                .withMaxBytes(20L * SIZE)
                .withLifetime(LIFETIME),
            this::now);
    fetcher =
        SourceFetcher.open(
            temp.resolve("sources"), store, SourceOptions.defaults(), System::nanoTime);
    AssetTable assets = new AssetTable(store, store.results(), this::now);
    server =
        new ReapiServer(
            store,
            updates ->
                List.of(
                    new PushService(assets, ReapiServer.INSTANCES, updates),
                    new SourceFetchService(
                        fetcher, assets, store, ReapiServer.INSTANCES::resolve)));
    server.updatesAllowed = true;
  }

  @AfterEach
  void close() throws IOException {
    server.close();
    fetcher.close();
    store.close();
  }

  private Instant now() {
    return Objects.requireNonNull(now.get());
  }

  private void pass(Duration time) {
    now.updateAndGet(instant -> instant.plus(time));
  }

  private static byte[] bytes(long seed) {
    byte[] bytes = new byte[SIZE];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private Digest put(long seed) throws IOException {
    return store.put(SCOPE, bytes(seed));
  }

  private static Timestamp at(Instant time) {
    return Timestamp.newBuilder().setSeconds(time.getEpochSecond()).build();
  }

  private static PushBlobRequest.Builder push(Digest digest, String... uris) {
    return PushBlobRequest.newBuilder()
        .setInstanceName(ReapiServer.INSTANCE)
        .addAllUris(List.of(uris))
        .setBlobDigest(WireDigests.toWire(digest));
  }

  private void push(PushBlobRequest.Builder request) {
    var unused = PushGrpc.newBlockingStub(server.channel).pushBlob(request.build());
  }

  private static FetchBlobRequest.Builder get(String... uris) {
    return FetchBlobRequest.newBuilder()
        .setInstanceName(ReapiServer.INSTANCE)
        .addAllUris(List.of(uris));
  }

  private FetchBlobResponse fetch(FetchBlobRequest.Builder request) {
    return FetchGrpc.newBlockingStub(server.channel).fetchBlob(request.build());
  }

  private Status.Code code(FetchBlobRequest.Builder request) {
    return Status.fromCodeValue(fetch(request).getStatus().getCode()).getCode();
  }

  private static Qualifier qualifier(String name, String value) {
    return Qualifier.newBuilder().setName(name).setValue(value).build();
  }

  private static void refused(Status.Code code, Executable call) {
    StatusRuntimeException e = assertThrows(StatusRuntimeException.class, call);
    assertEquals(code, e.getStatus().getCode(), e.toString());
  }

  @Test
  void whatWasPushedIsFetchedByEachOfItsAddressesAfterARestartToo() throws Exception {
    Digest blob = put(1);
    assertEquals(Status.Code.NOT_FOUND, code(get(URN)));
    push(push(blob, URN, URN + "2"));
    close();
    open();
    for (String uri : List.of(URN, URN + "2")) {
      FetchBlobResponse found = fetch(get("urn:other", uri));
      assertEquals(0, found.getStatus().getCode());
      assertEquals(WireDigests.toWire(blob), found.getBlobDigest());
      assertEquals(uri, found.getUri());
      assertFalse(found.hasExpiresAt());
    }
    Digest later = put(2);
    push(push(later, URN));
    assertEquals(WireDigests.toWire(later), fetch(get(URN)).getBlobDigest());
    assertEquals(WireDigests.toWire(blob), fetch(get(URN + "2")).getBlobDigest());
  }

  @Test
  void instancesKindsAndQualifiersAreToldApart() throws Exception {
    push(push(put(1), URN).addQualifiers(qualifier("resource_type", "application/x-git")));
    assertEquals(Status.Code.NOT_FOUND, code(get(URN)));
    assertEquals(
        Status.Code.OK,
        code(get(URN).addQualifiers(qualifier("resource_type", "application/x-git"))));
    push(push(put(1), URN));
    assertEquals(Status.Code.OK, code(get(URN)));
    assertEquals(Status.Code.OK, code(get(URN).setInstanceName("")));
    assertEquals(Status.Code.NOT_FOUND, code(get(URN).setInstanceName("other")));
    assertEquals(Status.Code.NOT_FOUND.value(), directory(URN).getStatus().getCode());
    refused(Status.Code.INVALID_ARGUMENT, () -> code(get(URN).setInstanceName("nowhere")));
  }

  @Test
  void anAssetWithAMissingPartIsNeitherTakenNorGivenOut() throws Exception {
    Digest blob = put(1);
    Digest reference = put(2);
    Digest absent = Digest.of(bytes(3));
    refused(Status.Code.FAILED_PRECONDITION, () -> push(push(absent, URN)));
    refused(
        Status.Code.FAILED_PRECONDITION,
        () -> push(push(blob, URN).addReferencesBlobs(WireDigests.toWire(absent))));
    refused(
        Status.Code.FAILED_PRECONDITION,
        () -> push(push(blob, URN).addReferencesDirectories(WireDigests.toWire(absent))));
    assertEquals(Status.Code.NOT_FOUND, code(get(URN)));
    push(push(blob, URN).addReferencesBlobs(WireDigests.toWire(reference)));
    assertEquals(Status.Code.OK, code(get(URN)));
    assertTrue(store.delete(SCOPE, reference));
    assertEquals(Status.Code.NOT_FOUND, code(get(URN)));
    put(2);
    assertEquals(Status.Code.OK, code(get(URN)));
  }

  @Test
  void whatAnAssetRefersToStaysAsLongAsItIsAskedFor() throws Exception {
    Digest reference = put(2);
    Directory root =
        Directory.newBuilder()
            .addFiles(
                build.bazel.remote.execution.v2.FileNode.newBuilder()
                    .setName("f")
                    .setDigest(WireDigests.toWire(put(3))))
            .build();
    Digest directory = store.put(SCOPE, root.toByteArray());
    push(
        push(put(1), URN)
            .addReferencesBlobs(WireDigests.toWire(reference))
            .addReferencesDirectories(WireDigests.toWire(directory)));
    push(push(put(4), "urn:unused"));
    for (int i = 0; i < 6; i++) {
      pass(LIFETIME.plusHours(2));
      assertEquals(Status.Code.OK, code(get(URN)));
      for (int fresh = 0; fresh < 10; fresh++) {
        put(100L * (i + 1) + fresh);
      }
    }
    assertEquals(
        List.of(),
        List.copyOf(
            store.findMissing(
                SCOPE, List.of(reference, directory, Digest.of(bytes(1)), Digest.of(bytes(3))))));
    assertEquals(Status.Code.OK, code(get(URN)));
    assertEquals(Status.Code.NOT_FOUND, code(get("urn:unused")));
  }

  @Test
  void anAssetWithAnEndIsKeptUntilThenAndNotGivenOutAfterwards() throws Exception {
    Instant end = now().plus(Duration.ofDays(2));
    push(push(put(1), URN).setExpireAt(at(end)).addReferencesBlobs(WireDigests.toWire(put(2))));
    for (int i = 0; i < 3; i++) {
      pass(Duration.ofHours(12));
      for (int fresh = 0; fresh < 15; fresh++) {
        put(100L * (i + 1) + fresh);
      }
    }
    FetchBlobResponse found = fetch(get(URN));
    assertEquals(0, found.getStatus().getCode());
    assertEquals(at(end), found.getExpiresAt());
    pass(Duration.ofHours(12));
    assertEquals(Status.Code.NOT_FOUND, code(get(URN)));
  }

  @Test
  void olderContentThanAcceptedIsNotGivenOut() throws Exception {
    push(push(put(1), URN));
    assertEquals(Status.Code.OK, code(get(URN).setOldestContentAccepted(at(now()))));
    assertEquals(
        Status.Code.NOT_FOUND, code(get(URN).setOldestContentAccepted(at(now().plusSeconds(1)))));
  }

  @Test
  void aChecksumIsHeldAgainstWhatWasPushed() throws Exception {
    push(push(put(1), URN));
    for (String algorithm : List.of("sha256", "sha512")) {
      MessageDigest hash = MessageDigest.getInstance(algorithm.replace("sha", "SHA-"));
      String right = Base64.getEncoder().encodeToString(hash.digest(bytes(1)));
      String wrong = Base64.getEncoder().encodeToString(hash.digest(bytes(2)));
      assertEquals(
          Status.Code.OK,
          code(get(URN).addQualifiers(qualifier("checksum.sri", algorithm + "-" + right))));
      assertEquals(
          Status.Code.PERMISSION_DENIED, // it is no address of the network either
          code(get(URN).addQualifiers(qualifier("checksum.sri", algorithm + "-" + wrong))));
    }
  }

  @Test
  void whoMayNotWriteResultsMayNotPush() throws Exception {
    Digest blob = put(1);
    server.updatesAllowed = false;
    refused(Status.Code.PERMISSION_DENIED, () -> push(push(blob, URN)));
    assertEquals(Status.Code.NOT_FOUND, code(get(URN)));
  }

  @Test
  void malformedRequestsAreInvalid() throws Exception {
    Digest blob = put(1);
    refused(Status.Code.INVALID_ARGUMENT, () -> push(PushBlobRequest.newBuilder()));
    refused(Status.Code.INVALID_ARGUMENT, () -> push(push(blob)));
    refused(Status.Code.INVALID_ARGUMENT, () -> push(push(blob, "")));
    refused(Status.Code.INVALID_ARGUMENT, () -> push(push(blob, "u".repeat(10_000))));
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> push(push(blob, URN).addQualifiers(qualifier("unheard.of", ""))));
    refused(Status.Code.INVALID_ARGUMENT, () -> fetch(FetchBlobRequest.newBuilder()));
    refused(Status.Code.INVALID_ARGUMENT, () -> fetch(get("https://192.0.2.1/unverified")));
    refused(
        Status.Code.INVALID_ARGUMENT,
        () ->
            FetchGrpc.newBlockingStub(server.channel)
                .fetchDirectory(FetchDirectoryRequest.getDefaultInstance()));
    refused(Status.Code.INVALID_ARGUMENT, () -> pushDirectory(blob, URN)); // it is no Directory
  }

  private void pushDirectory(Digest root, String uri) {
    var unused =
        PushGrpc.newBlockingStub(server.channel)
            .pushDirectory(
                PushDirectoryRequest.newBuilder()
                    .setInstanceName(ReapiServer.INSTANCE)
                    .addUris(uri)
                    .setRootDirectoryDigest(WireDigests.toWire(root))
                    .build());
  }

  private FetchDirectoryResponse directory(String uri) {
    return FetchGrpc.newBlockingStub(server.channel)
        .fetchDirectory(
            FetchDirectoryRequest.newBuilder()
                .setInstanceName(ReapiServer.INSTANCE)
                .addUris(uri)
                .build());
  }

  @Test
  void aDirectoryIsWholeToItsLastFile() throws Exception {
    Digest file = Digest.of(bytes(1));
    Directory.Builder below = Directory.newBuilder();
    below.addFilesBuilder().setName("f").setDigest(WireDigests.toWire(file));
    Digest child = store.put(SCOPE, below.build().toByteArray());
    Directory.Builder above = Directory.newBuilder();
    above.addDirectoriesBuilder().setName("d").setDigest(WireDigests.toWire(child));
    Digest root = store.put(SCOPE, above.build().toByteArray());
    refused(Status.Code.FAILED_PRECONDITION, () -> pushDirectory(root, URN));
    put(1);
    pushDirectory(root, URN);
    FetchDirectoryResponse found = directory(URN);
    assertEquals(0, found.getStatus().getCode());
    assertEquals(WireDigests.toWire(root), found.getRootDirectoryDigest());
    assertTrue(store.delete(SCOPE, file));
    assertEquals(Status.Code.NOT_FOUND.value(), directory(URN).getStatus().getCode());
  }
}
