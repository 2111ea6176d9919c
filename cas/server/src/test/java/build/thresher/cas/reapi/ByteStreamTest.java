package build.thresher.cas.reapi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.store.CompressedForms;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdOutputStream;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.QueryWriteStatusRequest;
import com.google.bytestream.QueryWriteStatusResponse;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.ReadResponse;
import com.google.common.primitives.Bytes;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Random;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** ByteStream over real gRPC: what breaks off goes on, what is compressed comes out whole. */
final class ByteStreamTest {
  private static final Scope SCOPE = new Scope(ReapiServer.INSTANCE, "test");
  private static final int BORDER = 128 << 10;

  /**
   * What of a large upload that runs goes into its file together, and is then seen from outside.
   */
  private static final int WRITTEN = 512 << 10;

  @TempDir Path temp;
  private RocksBlobStore store;
  private ReapiServer server;

  @BeforeEach
  void open() throws IOException {
    store =
        RocksBlobStore.open(
            temp.resolve("store"),
            StoreOptions.DEFAULTS.withReserveBytes(0).withLargeBlobBytes(BORDER),
            InstantSource.system());
    server = new ReapiServer(store, CompressedForms.open(temp.resolve("compressed"), 8 << 20));
  }

  @AfterEach
  void close() throws IOException {
    server.close();
    store.close();
  }

  private static byte[] random(int size) {
    byte[] bytes = new byte[size];
    new Random(size).nextBytes(bytes);
    return bytes;
  }

  /** Random words, which shrink. */
  private static byte[] text(int size) {
    byte[] bytes = new byte[size];
    Random random = new Random(size);
    for (int i = 0; i < size; i++) {
      bytes[i] = (byte) ('a' + random.nextInt(4));
    }
    return bytes;
  }

  private static String upload(Digest digest, String kind) {
    return ReapiServer.INSTANCE + "/uploads/" + UUID.randomUUID() + "/" + kind + "/" + digest;
  }

  private static String plain(byte[] bytes) {
    return upload(Digest.of(bytes), "blobs");
  }

  private static String zstd(byte[] bytes) {
    return upload(Digest.of(bytes), "compressed-blobs/zstd");
  }

  private UploadStream write(String name) throws Exception {
    return new UploadStream(server.channel, name);
  }

  private QueryWriteStatusResponse status(String name) {
    return ByteStreamGrpc.newBlockingStub(server.channel)
        .queryWriteStatus(QueryWriteStatusRequest.newBuilder().setResourceName(name).build());
  }

  private void awaitReceived(String name, long bytes) throws InterruptedException {
    long deadline = System.nanoTime() + 60_000_000_000L;
    while (status(name).getCommittedSize() != bytes) {
      assertTrue(System.nanoTime() < deadline, "received " + status(name).getCommittedSize());
      Thread.sleep(5);
    }
  }

  private byte[] read(String name, long offset, long limit) {
    Iterator<ReadResponse> responses =
        ByteStreamGrpc.newBlockingStub(server.channel)
            .read(
                ReadRequest.newBuilder()
                    .setResourceName(ReapiServer.INSTANCE + "/" + name)
                    .setReadOffset(offset)
                    .setReadLimit(limit)
                    .build());
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    responses.forEachRemaining(one -> all.writeBytes(one.getData().toByteArray()));
    return all.toByteArray();
  }

  private static void refused(Status.Code code, Executable call) {
    StatusRuntimeException e = assertThrows(StatusRuntimeException.class, call);
    assertEquals(code, e.getStatus().getCode(), e.toString());
  }

  private long partialFiles() throws IOException {
    try (Stream<Path> files = Files.list(temp.resolve("store/partial"))) {
      return files.count();
    }
  }

  @Test
  void aWriteThatBrokeOffGoesOnAfterARestart() throws Exception {
    byte[] blob = random(1_000_000);
    String name = plain(blob);
    UploadStream first = write(name).send(0, blob, 0, WRITTEN, false);
    awaitReceived(name, WRITTEN);
    first.breakOff();
    close();
    open();
    assertEquals(WRITTEN, status(name).getCommittedSize());
    assertFalse(status(name).getComplete());
    assertFalse(store.contains(SCOPE, Digest.of(blob)));
    assertEquals(blob.length, write(name).sendAll(blob, WRITTEN, 100_000).committed());
    assertArrayEquals(blob, read("blobs/" + Digest.of(blob), 0, 0));
    assertTrue(status(name).getComplete());
    assertEquals(blob.length, status(name).getCommittedSize());
    assertEquals(0, partialFiles());
  }

  @Test
  void aClientMayGoBackBehindWhatArrivedButNotBeyondIt() throws Exception {
    byte[] blob = random(1_000_000);
    String name = plain(blob);
    UploadStream first = write(name).send(0, blob, 0, WRITTEN, false);
    awaitReceived(name, WRITTEN);
    first.breakOff();
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> write(name).send(WRITTEN + 1, blob, WRITTEN + 1, blob.length, true).committed());
    assertEquals(WRITTEN, status(name).getCommittedSize());
    assertEquals(blob.length, write(name).sendAll(blob, 150_000, 70_000).committed());
    assertArrayEquals(blob, read("blobs/" + Digest.of(blob), 0, 0));
  }

  @Test
  void aLaterStreamOfTheSameUploadTakesItOver() throws Exception {
    byte[] blob = random(1_000_000);
    String name = plain(blob);
    UploadStream first = write(name).send(0, blob, 0, WRITTEN, false);
    awaitReceived(name, WRITTEN);
    UploadStream second = write(name).sendAll(blob, WRITTEN, 50_000);
    refused(Status.Code.ABORTED, first::committed);
    assertEquals(blob.length, second.committed());
  }

  @Test
  void whatArrivedEarlierIsBelievedNoMoreThanTheRest() throws Exception {
    byte[] blob = random(1_000_000);
    String name = plain(blob);
    byte[] wrong = blob.clone();
    wrong[17]++;
    UploadStream first = write(name).send(0, wrong, 0, WRITTEN, false);
    awaitReceived(name, WRITTEN);
    first.breakOff();
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> write(name).sendAll(blob, WRITTEN, 200_000).committed());
    assertEquals(0, status(name).getCommittedSize());
    assertEquals(0, partialFiles());
    assertEquals(blob.length, write(name).sendAll(blob, 0, 200_000).committed());
  }

  @Test
  void aSmallWriteThatBrokeOffBeginsAgain() throws Exception {
    byte[] blob = random(BORDER - 1);
    String name = plain(blob);
    UploadStream one = write(name).send(0, blob, 0, 1_000, false);
    UploadStream other = write(name).send(0, blob, 0, 1_000, false);
    // Which of the two arrives later, and so takes over, is the network's choice.
    UploadStream overtaken = UploadStream.firstToEnd(one, other);
    refused(Status.Code.ABORTED, overtaken::committed);
    assertEquals(0, status(name).getCommittedSize());
    UploadStream left = overtaken == one ? other : one;
    assertEquals(blob.length, left.send(1_000, blob, 1_000, blob.length, true).committed());
    byte[] begunInTheMiddle = random(1_000);
    refused(
        Status.Code.INVALID_ARGUMENT,
        () ->
            write(plain(begunInTheMiddle)).send(10, begunInTheMiddle, 10, 1_000, true).committed());
  }

  @Test
  void aBlobThatIsThereIsAnsweredAtOnce() throws Exception {
    byte[] blob = random(300_000);
    store.put(SCOPE, blob);
    assertEquals(blob.length, write(plain(blob)).send(0, blob, 0, 10, false).committed());
    assertEquals(-1, write(zstd(blob)).send(0, blob, 0, 10, false).committed());
    byte[] empty = {};
    assertEquals(0, write(plain(empty)).send(0, empty, 0, 0, true).committed());
    assertTrue(status(plain(blob)).getComplete());
  }

  @Test
  void aStreamThatContradictsItselfIsRefused() throws Exception {
    byte[] blob = random(300_000);
    String name = plain(blob);
    refused(
        Status.Code.INVALID_ARGUMENT,
        () ->
            write(name)
                .send(0, blob, 0, 1_000, false)
                .send(999, blob, 999, 2_000, false)
                .committed());
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> write(name).send(0, blob, 0, 1_000, false).half().committed());
    refused(
        Status.Code.INVALID_ARGUMENT, () -> write(name).send(-1, blob, 0, 10, false).committed());
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> write(name).sendAll(Arrays.copyOf(blob, blob.length + 1), 0, 100_000).committed());
    assertFalse(store.contains(SCOPE, Digest.of(blob)));
    refused(Status.Code.RESOURCE_EXHAUSTED, () -> tooLarge(blob));
  }

  private void tooLarge(byte[] blob) throws Exception {
    Digest claimed = Digest.fromHash(Digest.of(blob).hashBytes(), Long.MAX_VALUE);
    write(upload(claimed, "blobs")).send(0, blob, 0, 10, false).committed();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 1_000, BORDER - 1, BORDER, 1_000_000})
  void compressedBlobsComeOutWhole(int size) throws Exception {
    byte[] blob = text(size);
    byte[] compressed = Zstd.compress(blob);
    assertEquals(compressed.length, write(zstd(blob)).sendAll(compressed, 0, 777).committed());
    assertArrayEquals(blob, read("blobs/" + Digest.of(blob), 0, 0));
    String name = "compressed-blobs/zstd/" + Digest.of(blob);
    assertArrayEquals(blob, Zstd.decompress(read(name, 0, 0), blob.length));
    byte[] tail = Arrays.copyOfRange(blob, size / 2, size);
    assertArrayEquals(tail, Zstd.decompress(read(name, size / 2, 0), tail.length));
    refused(Status.Code.INVALID_ARGUMENT, () -> read(name, 0, 1));
    refused(Status.Code.OUT_OF_RANGE, () -> read(name, size + 1, 0));
  }

  @Test
  void whatWasSentCompressedIsHandedOutAsItWas() throws Exception {
    byte[] blob = text(1_000_000);
    byte[] frames =
        Bytes.concat(
            Zstd.compress(Arrays.copyOf(blob, 600_000), 7),
            Zstd.compress(Arrays.copyOfRange(blob, 600_000, blob.length), 7));
    write(zstd(blob)).sendAll(frames, 0, 100_000).committed();
    assertArrayEquals(frames, read("compressed-blobs/zstd/" + Digest.of(blob), 0, 0));
    assertTrue(store.delete(SCOPE, Digest.of(blob)));
    refused(Status.Code.NOT_FOUND, () -> read("compressed-blobs/zstd/" + Digest.of(blob), 0, 0));
  }

  @Test
  void whatWasCompressedForOneReaderIsHandedToTheNext() throws Exception {
    byte[] blob = text(1_000_000);
    write(plain(blob)).sendAll(blob, 0, 100_000).committed();
    String name = "compressed-blobs/zstd/" + Digest.of(blob);
    byte[] first = read(name, 0, 0);
    assertArrayEquals(blob, Zstd.decompress(first, blob.length));
    assertArrayEquals(first, read(name, 0, 0));
    try (Stream<Path> kept = Files.list(temp.resolve("compressed"))) {
      assertEquals(1, kept.count());
    }
  }

  @Test
  void severalFramesAreOneBlob() throws Exception {
    byte[] a = text(200_000);
    byte[] b = random(300_000);
    byte[] blob = Bytes.concat(a, b);
    byte[] frames = Bytes.concat(Zstd.compress(a), Zstd.compress(new byte[0]), Zstd.compress(b));
    assertEquals(frames.length, write(zstd(blob)).sendAll(frames, 0, 64 << 10).committed());
    assertArrayEquals(blob, read("blobs/" + Digest.of(blob), 0, 0));
  }

  @Test
  void damagedZstdStoresNothing() throws Exception {
    byte[] blob = text(500_000);
    byte[] compressed = Zstd.compress(blob);
    byte[] flipped = compressed.clone();
    flipped[2]++;
    byte[] truncated = Arrays.copyOf(compressed, compressed.length - 1);
    byte[] trailing = Bytes.concat(compressed, new byte[] {1, 2, 3, 4, 5});
    byte[] oneMore = Zstd.compress(Arrays.copyOf(blob, blob.length + 1));
    byte[] oneLess = Zstd.compress(Arrays.copyOf(blob, blob.length - 1));
    for (byte[] bad :
        new byte[][] {flipped, truncated, trailing, oneMore, oneLess, blob, new byte[0]}) {
      refused(
          Status.Code.INVALID_ARGUMENT,
          () -> write(zstd(blob)).sendAll(bad, 0, 10_000).committed());
    }
    assertFalse(store.contains(SCOPE, Digest.of(blob)));
    assertEquals(0, partialFiles());
    try (Stream<Path> left = Files.list(temp.resolve("store/tmp"))) {
      assertEquals(0, left.count());
    }
  }

  /** 4 GiB of zeros in a few hundred KiB: it is stopped when it exceeds the size that it named. */
  @Test
  void aBombIsStoppedAtTheSizeThatItNamed() throws Exception {
    byte[] blob = text(500_000);
    byte[] sixteen = Zstd.compress(new byte[16 << 20]);
    UploadStream bomb = write(zstd(blob));
    for (int i = 0; i < 256; i++) {
      bomb.send((long) i * sixteen.length, sixteen, 0, sixteen.length, false);
    }
    refused(Status.Code.INVALID_ARGUMENT, bomb::committed);
  }

  @Test
  void aWindowLargerThanTheServersMemoryAllowsIsRefused() throws Exception {
    byte[] blob = random(40 << 20);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ZstdOutputStream stream = new ZstdOutputStream(out).setLong(27)) {
      stream.write(blob);
    }
    byte[] compressed = out.toByteArray();
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> write(zstd(blob)).send(0, compressed, 0, 1 << 20, false).committed());
  }

  @Test
  void rangesAreReadAsAskedFor() throws Exception {
    byte[] blob = random(500_000);
    store.put(SCOPE, blob);
    String name = "blobs/" + Digest.of(blob);
    assertArrayEquals(Arrays.copyOfRange(blob, 100_000, 100_010), read(name, 100_000, 10));
    assertArrayEquals(Arrays.copyOfRange(blob, 499_999, 500_000), read(name, 499_999, 10));
    assertArrayEquals(new byte[0], read(name, 500_000, 10));
    refused(Status.Code.OUT_OF_RANGE, () -> read(name, 500_001, 0));
    refused(Status.Code.OUT_OF_RANGE, () -> read(name, -1, 0));
    refused(Status.Code.INVALID_ARGUMENT, () -> read(name, 0, -1));
    refused(
        Status.Code.NOT_FOUND, () -> read("compressed-blobs/zstd/" + Digest.of(random(5)), 0, 0));
    assertEquals(ByteString.EMPTY, ByteString.copyFrom(read("blobs/" + Digest.EMPTY, 0, 0)));
    assertEquals(0, Zstd.decompress(read("compressed-blobs/zstd/" + Digest.EMPTY, 0, 0), 1).length);
  }
}
