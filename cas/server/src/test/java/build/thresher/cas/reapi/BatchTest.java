package build.thresher.cas.reapi;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.BatchReadBlobsRequest;
import build.bazel.remote.execution.v2.BatchReadBlobsResponse;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.CacheCapabilities;
import build.bazel.remote.execution.v2.CapabilitiesGrpc;
import build.bazel.remote.execution.v2.Compressor;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.FindMissingBlobsRequest;
import build.bazel.remote.execution.v2.GetCapabilitiesRequest;
import build.bazel.remote.execution.v2.ServerCapabilities;
import build.bazel.remote.execution.v2.SymlinkAbsolutePathStrategy;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.github.luben.zstd.Zstd;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Batches over real gRPC: each blob has a status of its own, compressed or not. */
final class BatchTest {
  private static final Scope SCOPE = new Scope(ReapiServer.INSTANCE, "test");

  @TempDir Path temp;
  private RocksBlobStore store;
  private ReapiServer server;
  private ContentAddressableStorageGrpc.ContentAddressableStorageBlockingStub cas;

  @BeforeEach
  void open() throws IOException {
    store =
        RocksBlobStore.open(
            temp.resolve("store"),
            StoreOptions.DEFAULTS.withReserveBytes(0).withLargeBlobBytes(128 << 10),
            InstantSource.system());
    server = new ReapiServer(store);
    cas =
        ContentAddressableStorageGrpc.newBlockingStub(server.channel)
            .withMaxInboundMessageSize(8 << 20);
  }

  @AfterEach
  void close() throws IOException {
    server.close();
    store.close();
  }

  private static byte[] text(int size) {
    byte[] bytes = new byte[size];
    for (int i = 0; i < size; i++) {
      bytes[i] = (byte) ('a' + (i * 31 + size) % 7);
    }
    return bytes;
  }

  private static BatchUpdateBlobsRequest.Request put(byte[] blob) {
    return BatchUpdateBlobsRequest.Request.newBuilder()
        .setDigest(WireDigests.toWire(Digest.of(blob)))
        .setData(ByteString.copyFrom(blob))
        .build();
  }

  private static BatchUpdateBlobsRequest.Request zstd(Digest digest, byte[] data) {
    return BatchUpdateBlobsRequest.Request.newBuilder()
        .setDigest(WireDigests.toWire(digest))
        .setCompressor(Compressor.Value.ZSTD)
        .setData(ByteString.copyFrom(data))
        .build();
  }

  private List<Integer> update(BatchUpdateBlobsRequest.Request... requests) {
    BatchUpdateBlobsResponse response =
        cas.batchUpdateBlobs(
            BatchUpdateBlobsRequest.newBuilder()
                .setInstanceName(ReapiServer.INSTANCE)
                .addAllRequests(List.of(requests))
                .build());
    for (int i = 0; i < requests.length; i++) {
      assertEquals(requests[i].getDigest(), response.getResponses(i).getDigest());
    }
    return response.getResponsesList().stream().map(r -> r.getStatus().getCode()).toList();
  }

  private BatchReadBlobsResponse read(Compressor.Value acceptable, Digest... digests) {
    return cas.batchReadBlobs(
        BatchReadBlobsRequest.newBuilder()
            .setInstanceName(ReapiServer.INSTANCE)
            .addAllDigests(Arrays.stream(digests).map(WireDigests::toWire).toList())
            .addAcceptableCompressors(acceptable)
            .build());
  }

  private static void refused(Status.Code code, Executable call) {
    StatusRuntimeException e = assertThrows(StatusRuntimeException.class, call);
    assertEquals(code, e.getStatus().getCode(), e.toString());
  }

  @Test
  void plainAndCompressedBlobsComeInTogetherAndTheWrongOnesAlone() throws Exception {
    byte[] plain = text(1_000);
    byte[] packed = text(100_000);
    byte[] large = text(1_000_000);
    byte[] bad = text(5_000);
    byte[] compressed = Zstd.compress(bad);
    int ok = Status.Code.OK.value();
    int invalid = Status.Code.INVALID_ARGUMENT.value();
    assertEquals(
        List.of(ok, ok, ok, invalid, invalid, invalid, invalid, invalid, invalid),
        update(
            put(plain),
            zstd(Digest.of(packed), Zstd.compress(packed)),
            zstd(Digest.of(large), Zstd.compress(large)),
            zstd(Digest.of(bad), Arrays.copyOf(compressed, compressed.length - 1)),
            zstd(Digest.of(bad), bad),
            zstd(Digest.of(bad), Zstd.compress(new byte[10 << 20])),
            zstd(Digest.of(bad), Zstd.compress(text(4_999))),
            put(plain).toBuilder().setDigest(WireDigests.toWire(Digest.of(bad))).build(),
            put(plain).toBuilder().setCompressor(Compressor.Value.BROTLI).build()));
    assertArrayEquals(packed, store.readAll(SCOPE, Digest.of(packed)));
    assertArrayEquals(large, store.readAll(SCOPE, Digest.of(large)));
    assertEquals(Set.of(Digest.of(bad)), store.findMissing(SCOPE, List.of(Digest.of(bad))));
  }

  @Test
  void severalFramesAndTheEmptyBlobAreBlobsToo() throws Exception {
    byte[] a = text(10_000);
    byte[] both = new byte[20_000];
    System.arraycopy(a, 0, both, 0, a.length);
    System.arraycopy(a, 0, both, a.length, a.length);
    byte[] frame = Zstd.compress(a);
    byte[] frames = new byte[2 * frame.length];
    System.arraycopy(frame, 0, frames, 0, frame.length);
    System.arraycopy(frame, 0, frames, frame.length, frame.length);
    assertEquals(
        List.of(0, 0, 0),
        update(
            zstd(Digest.of(both), frames),
            zstd(Digest.EMPTY, Zstd.compress(new byte[0])),
            put(new byte[0])));
    assertArrayEquals(both, store.readAll(SCOPE, Digest.of(both)));
  }

  @Test
  void aBatchOverTheLimitIsRefusedWhole() {
    byte[] four = new byte[4 << 20];
    refused(Status.Code.INVALID_ARGUMENT, () -> update(put(four), put(text(1))));
    // Small on the wire, 20 MiB when unpacked.
    byte[] packed = Zstd.compress(four);
    BatchUpdateBlobsRequest.Request one = zstd(Digest.of(four), packed);
    refused(Status.Code.INVALID_ARGUMENT, () -> update(one, one, one, one, one));
    BatchUpdateBlobsRequest.Request lie =
        zstd(Digest.fromHash(Digest.of(four).hashBytes(), Long.MAX_VALUE), packed);
    refused(Status.Code.INVALID_ARGUMENT, () -> update(lie));
    refused(Status.Code.INVALID_ARGUMENT, () -> update(lie, lie, lie));
    assertEquals(List.of(0), update(put(four)));
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> read(Compressor.Value.IDENTITY, Digest.of(four), Digest.of(four)));
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> read(Compressor.Value.IDENTITY, Digest.fromHash(new byte[32], Long.MAX_VALUE)));
  }

  @Test
  void blobsComeOutInOrderCompressedWhereThatIsAcceptedAndHelps() throws Exception {
    byte[] shrinks = text(50_000);
    byte[] noise = new byte[50_000];
    new Random(1).nextBytes(noise);
    byte[] tiny = "x".getBytes(UTF_8);
    byte[] large = text(300_000);
    for (byte[] blob : List.of(shrinks, noise, tiny, large)) {
      store.put(SCOPE, blob);
    }
    Digest absent = Digest.of(text(77));
    Digest[] asked = {
      Digest.of(shrinks),
      absent,
      Digest.of(noise),
      Digest.EMPTY,
      Digest.of(tiny),
      Digest.of(large),
      Digest.of(tiny)
    };
    for (Compressor.Value acceptable :
        List.of(Compressor.Value.IDENTITY, Compressor.Value.ZSTD, Compressor.Value.BROTLI)) {
      BatchReadBlobsResponse response = read(acceptable, asked);
      assertEquals(asked.length, response.getResponsesCount());
      for (int i = 0; i < asked.length; i++) {
        BatchReadBlobsResponse.Response one = response.getResponses(i);
        assertEquals(WireDigests.toWire(asked[i]), one.getDigest());
        if (asked[i].equals(absent)) {
          assertEquals(Status.Code.NOT_FOUND.value(), one.getStatus().getCode());
          continue;
        }
        assertEquals(0, one.getStatus().getCode());
        boolean smaller =
            acceptable == Compressor.Value.ZSTD
                && (asked[i].equals(Digest.of(shrinks)) || asked[i].equals(Digest.of(large)));
        assertEquals(
            smaller ? Compressor.Value.ZSTD : Compressor.Value.IDENTITY, one.getCompressor());
        byte[] data = one.getData().toByteArray();
        byte[] blob = smaller ? Zstd.decompress(data, (int) asked[i].sizeBytes()) : data;
        assertEquals(asked[i], Digest.of(blob));
      }
    }
  }

  @Test
  void aMalformedDigestIsRefusedInEveryCall() {
    build.bazel.remote.execution.v2.Digest upper =
        WireDigests.toWire(Digest.of(text(1))).toBuilder()
            .setHash(Digest.of(text(1)).hex().toUpperCase(java.util.Locale.ROOT))
            .build();
    refused(
        Status.Code.INVALID_ARGUMENT,
        () ->
            cas.findMissingBlobs(
                FindMissingBlobsRequest.newBuilder()
                    .setInstanceName(ReapiServer.INSTANCE)
                    .addBlobDigests(upper)
                    .build()));
    assertEquals(
        List.of(Status.Code.INVALID_ARGUMENT.value()),
        update(put(text(1)).toBuilder().setDigest(upper).build()));
  }

  @Test
  void theCapabilitiesNameWhatIsServed() {
    ServerCapabilities all =
        CapabilitiesGrpc.newBlockingStub(server.channel)
            .getCapabilities(
                GetCapabilitiesRequest.newBuilder().setInstanceName(ReapiServer.INSTANCE).build());
    assertEquals(2, all.getLowApiVersion().getMajor());
    assertEquals(0, all.getLowApiVersion().getMinor());
    assertEquals(2, all.getHighApiVersion().getMajor());
    assertEquals(12, all.getHighApiVersion().getMinor());
    CacheCapabilities cache = all.getCacheCapabilities();
    assertEquals(List.of(DigestFunction.Value.SHA256), cache.getDigestFunctionsList());
    assertEquals(List.of(Compressor.Value.ZSTD), cache.getSupportedCompressorsList());
    assertEquals(List.of(Compressor.Value.ZSTD), cache.getSupportedBatchUpdateCompressorsList());
    assertEquals(SymlinkAbsolutePathStrategy.Value.ALLOWED, cache.getSymlinkAbsolutePathStrategy());
    assertTrue(!cache.getSplitBlobSupport());
    assertTrue(!cache.getSpliceBlobSupport());
    assertEquals(0, cache.getMaxCasBlobSizeBytes(), "no limit");
    assertTrue(!cache.getActionCacheUpdateCapabilities().getUpdateEnabled());
    assertTrue(!all.getExecutionCapabilities().getExecEnabled());
    // A batch of just what is advertised is taken.
    int limit = Math.toIntExact(cache.getMaxBatchTotalSizeBytes());
    assertEquals(List.of(0), update(put(new byte[limit])));
    server.updatesAllowed = true;
    assertTrue(
        CapabilitiesGrpc.newBlockingStub(server.channel)
            .getCapabilities(
                GetCapabilitiesRequest.newBuilder().setInstanceName(ReapiServer.INSTANCE).build())
            .getCacheCapabilities()
            .getActionCacheUpdateCapabilities()
            .getUpdateEnabled());
  }
}
