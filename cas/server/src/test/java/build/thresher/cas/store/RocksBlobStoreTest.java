package build.thresher.cas.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobStore.Statistics;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.NamingBlobWriter;
import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

final class RocksBlobStoreTest extends BlobStoreContract {
  private static final StoreOptions OPTIONS = StoreOptions.DEFAULTS.withReserveBytes(0);
  private static final int LARGE = 300_000;

  @TempDir Path temp;
  private Path dir;
  private Instant now = Instant.parse("2026-01-01T00:00:00Z");
  private final InstantSource clock = () -> now;
  private RocksBlobStore store;

  @BeforeEach
  void open() throws IOException {
    dir = temp.resolve("store");
    store = RocksBlobStore.open(dir, OPTIONS, clock);
  }

  @AfterEach
  void close() throws IOException {
    store.close();
  }

  @Override
  protected BlobStore store() {
    return store;
  }

  private void reopen() throws IOException {
    store.close();
    store = RocksBlobStore.open(dir, OPTIONS, clock);
  }

  private Path file(Digest digest) {
    return dir.resolve("blobs").resolve(digest.hex().substring(0, 2)).resolve(digest.hex());
  }

  private static long filesBelow(Path dir) throws IOException {
    try (Stream<Path> all = Files.walk(dir)) {
      return all.filter(Files::isRegularFile).count();
    }
  }

  @Test
  void blobsAndCountsSurviveReopening() throws Exception {
    Digest small = store.put(SCOPE, random(1_000, 1));
    Digest large = store.put(SCOPE, random(LARGE, 2));
    store.put(SCOPE, random(LARGE, 2));
    assertEquals(new Statistics(2, 1_000 + LARGE), store.statistics());
    reopen();
    assertEquals(new Statistics(2, 1_000 + LARGE), store.statistics());
    assertArrayEquals(random(1_000, 1), store.readAll(SCOPE, small));
    assertArrayEquals(random(LARGE, 2), store.readAll(SCOPE, large));
    assertTrue(Files.exists(file(large)));
    assertFalse(Files.exists(file(small)));
  }

  @Test
  void aFlippedBitInAFileIsDetectedQuarantinedAndRepairedByTheNextUpload() throws Exception {
    byte[] bytes = random(LARGE, 3);
    for (int position : new int[] {0, 65_536, LARGE - 1}) {
      Digest digest = store.put(SCOPE, bytes);
      byte[] damaged = bytes.clone();
      damaged[position] ^= 4;
      Files.write(file(digest), damaged);
      assertThrows(CorruptBlobException.class, () -> store.readAll(SCOPE, digest));
      assertFalse(store.contains(SCOPE, digest));
      assertThrows(BlobNotFoundException.class, () -> store.readAll(SCOPE, digest));
      store.put(SCOPE, bytes);
      assertArrayEquals(bytes, store.readAll(SCOPE, digest));
      assertEquals(new Statistics(1, LARGE), store.statistics());
    }
  }

  @Test
  void aRangeThatTouchesTheDamageIsRefusedAndOneBesideItIsServed() throws Exception {
    byte[] bytes = random(LARGE, 4);
    Digest digest = store.put(SCOPE, bytes);
    byte[] damaged = bytes.clone();
    damaged[100_000] ^= 1;
    Files.write(file(digest), damaged);
    try (InputStream in = store.read(SCOPE, digest, 10, 60_000)) {
      assertEquals(60_000, in.readAllBytes().length);
    }
    try (InputStream in = store.read(SCOPE, digest, 70_000, 10)) {
      assertThrows(CorruptBlobException.class, in::readAllBytes);
    }
  }

  @Test
  void aTruncatedOrDeletedFileIsDetected() throws Exception {
    byte[] bytes = random(LARGE, 5);
    Digest digest = store.put(SCOPE, bytes);
    try (FileChannel file = FileChannel.open(file(digest), StandardOpenOption.WRITE)) {
      file.truncate(LARGE - 1);
    }
    assertThrows(CorruptBlobException.class, () -> store.readAll(SCOPE, digest));
    assertFalse(store.contains(SCOPE, digest));
    store.put(SCOPE, bytes);
    Files.delete(file(digest));
    assertThrows(CorruptBlobException.class, () -> store.readAll(SCOPE, digest));
    assertFalse(store.contains(SCOPE, digest));
  }

  @Test
  void leasedAndPinnedBlobsAreNotDeleted() throws Exception {
    Digest digest = store.put(SCOPE, random(LARGE, 6));
    store.lease(SCOPE, List.of(digest), now.plusSeconds(60));
    store.lease(SCOPE, List.of(digest), now.plusSeconds(10));
    assertFalse(store.delete(SCOPE, digest));
    now = now.plusSeconds(59);
    assertFalse(store.delete(SCOPE, digest));
    now = now.plusSeconds(2);
    store.pin(SCOPE, List.of(digest));
    store.pin(SCOPE, List.of(digest));
    store.unpin(SCOPE, List.of(digest));
    reopen();
    assertFalse(store.delete(SCOPE, digest));
    store.unpin(SCOPE, List.of(digest));
    assertTrue(store.delete(SCOPE, digest));
    assertFalse(store.delete(SCOPE, digest));
    assertFalse(Files.exists(file(digest)));
    assertEquals(new Statistics(0, 0), store.statistics());
    assertThrows(BlobNotFoundException.class, () -> store.pin(SCOPE, List.of(digest)));
  }

  @Test
  void aBlobThatWasReadBeforeIsGoneWhenItWasDeleted() throws Exception {
    Digest kept = store.put(SCOPE, random(1_000, 7));
    Digest deleted = store.put(SCOPE, random(2_000, 8));
    List<Digest> both = List.of(kept, deleted);
    assertEquals(2, store.readAll(SCOPE, both).size());
    store.delete(SCOPE, deleted);
    assertThrows(BlobNotFoundException.class, () -> store.readAll(SCOPE, both));
    assertArrayEquals(random(1_000, 7), store.readAll(SCOPE, kept));
  }

  @Test
  void aReaderThatHasABlobOpenFinishesAfterItsDeletion() throws Exception {
    byte[] bytes = random(LARGE, 7);
    Digest digest = store.put(SCOPE, bytes);
    try (InputStream in = store.read(SCOPE, digest, 0, Long.MAX_VALUE)) {
      assertTrue(store.delete(SCOPE, digest));
      assertArrayEquals(bytes, in.readAllBytes());
    }
  }

  @Test
  void abandonedWritesLeaveNoFile() throws Exception {
    byte[] bytes = random(LARGE, 8);
    try (BlobWriter writer = store.write(SCOPE, Digest.of(bytes))) {
      writer.write(ByteBuffer.wrap(bytes, 0, 200_000));
      assertEquals(1, filesBelow(dir.resolve("tmp")));
    }
    assertEquals(0, filesBelow(dir.resolve("tmp")));
  }

  @Test
  void bytesThatNobodyHashedAreNamedByTheStore() throws Exception {
    for (int size : new int[] {0, 1_000, LARGE}) {
      byte[] bytes = random(size, 9);
      Digest name;
      try (NamingBlobWriter writer = store.writeUnnamed(SCOPE, size)) {
        writer.write(ByteBuffer.wrap(bytes));
        name = writer.name();
        assertEquals(Digest.of(bytes), name);
        assertEquals(size == 0, store.contains(SCOPE, name));
        writer.commit();
      }
      assertArrayEquals(bytes, store.readAll(SCOPE, name));
    }
    try (NamingBlobWriter writer = store.writeUnnamed(SCOPE, 10)) {
      assertThrows(
          IllegalStateException.class, () -> writer.write(ByteBuffer.wrap(random(11, 10))));
    }
    assertEquals(0, filesBelow(dir.resolve("tmp")));
    assertEquals(2, store.statistics().blobs());
  }

  /** Around the sizes of blocks, buffers and their pairs; the second read is another way. */
  @ParameterizedTest(name = "past the page cache: {0}")
  @ValueSource(booleans = {true, false})
  void filesOfAnySizeComeBackWhole(boolean direct) throws Exception {
    store.close();
    store = RocksBlobStore.open(dir, OPTIONS.withDirect(direct), clock);
    Random random = new Random(17);
    for (int border : new int[] {LARGE, 512 << 10, 1 << 20, 3 << 19, 2 << 20}) {
      for (int more : new int[] {-4_097, -1, 0, 1, 65_537}) {
        byte[] bytes = random(border + more, border + more);
        Digest digest = Digest.of(bytes);
        try (BlobWriter writer = store.write(SCOPE, digest)) {
          for (int from = 0; from < bytes.length; ) {
            int n = Math.min(1 + random.nextInt(300_000), bytes.length - from);
            writer.write(ByteBuffer.wrap(bytes, from, n));
            from += n;
          }
          writer.commit();
        }
        assertArrayEquals(bytes, store.readAll(SCOPE, digest));
        assertArrayEquals(bytes, store.readAll(SCOPE, digest));
        int offset = random.nextInt(bytes.length);
        int length = random.nextInt(bytes.length - offset);
        try (InputStream in = store.read(SCOPE, digest, offset, length)) {
          assertArrayEquals(Arrays.copyOfRange(bytes, offset, offset + length), in.readAllBytes());
        }
      }
    }
  }

  /** More writers and readers than there are buffers, each at the same time. */
  @Test
  void whoeverGetsNoBuffersIsServedWithout() throws Exception {
    List<byte[]> blobs = new ArrayList<>();
    List<BlobWriter> writers = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      byte[] bytes = random(700_001, 2_000 + i);
      blobs.add(bytes);
      writers.add(store.write(SCOPE, Digest.of(bytes)));
      writers.getLast().write(ByteBuffer.wrap(bytes, 0, 600_000));
    }
    for (int i = 0; i < 40; i++) {
      try (BlobWriter writer = writers.get(i)) {
        writer.write(ByteBuffer.wrap(blobs.get(i), 600_000, 100_001));
        writer.commit();
      }
    }
    List<InputStream> readers = new ArrayList<>();
    for (byte[] blob : blobs) {
      readers.add(store.read(SCOPE, Digest.of(blob), 0, blob.length));
      assertEquals(blob[0] & 0xff, readers.getLast().read());
    }
    for (int i = 0; i < 40; i++) {
      try (InputStream in = readers.get(i)) {
        assertArrayEquals(
            Arrays.copyOfRange(blobs.get(i), 1, blobs.get(i).length), in.readAllBytes());
      }
    }
  }

  @Test
  void allThatArrivedOfALargeUploadIsKept() throws Exception {
    byte[] bytes = random(2_000_000, 18);
    Digest digest = Digest.of(bytes);
    int arrived = 0;
    for (int next : new int[] {1, 524_288, 700_001, 700_002, 1_999_999}) {
      try (BlobWriter writer = store.resume(SCOPE, digest, "broken", arrived)) {
        writer.write(ByteBuffer.wrap(bytes, arrived, next - arrived));
      }
      arrived = next;
      reopen();
      assertEquals(arrived, store.received("broken"));
    }
    try (BlobWriter writer = store.resume(SCOPE, digest, "broken", arrived)) {
      writer.write(ByteBuffer.wrap(bytes, arrived, 1));
      writer.commit();
    }
    assertArrayEquals(bytes, store.readAll(SCOPE, digest));
  }

  /** With a name or without one, at any offset, closed or cut off by the server's end. */
  @Test
  void aThousandAbortedUploadsLeaveNothing() throws Exception {
    Random random = new Random(6);
    for (int i = 0; i < 1_000; i++) {
      byte[] bytes = random(LARGE + random.nextInt(50_000), 1_000 + i);
      Digest digest = Digest.of(bytes);
      try (BlobWriter writer =
          random.nextBoolean()
              ? store.write(SCOPE, digest)
              : store.resume(SCOPE, digest, "upload " + i, 0)) {
        writer.write(ByteBuffer.wrap(bytes, 0, random.nextInt(bytes.length)));
      }
      if (i % 100 == 99) {
        reopen();
      }
    }
    assertEquals(0, filesBelow(dir.resolve("tmp")));
    assertEquals(0, filesBelow(dir.resolve("blobs")));
    assertEquals(0, store.statistics().blobs());
    now = now.plus(PartialUploads.KEPT).plusSeconds(1);
    reopen();
    assertEquals(0, filesBelow(dir.resolve("partial")));
  }

  @Test
  void filesLeftByACrashAreRemovedAtOpen() throws Exception {
    store.close();
    Files.delete(dir.resolve("CLEAN"));
    Files.write(dir.resolve("tmp").resolve("17"), random(10, 9));
    Files.write(file(Digest.of(random(LARGE, 10))), random(LARGE, 10));
    store = RocksBlobStore.open(dir, OPTIONS, clock);
    assertEquals(0, filesBelow(dir.resolve("tmp")));
    assertEquals(0, filesBelow(dir.resolve("blobs")));
  }

  @Test
  void aSecondOwnerAnUnknownFormatAndAForeignDirectoryAreRefused() throws Exception {
    assertThrows(IOException.class, () -> RocksBlobStore.open(dir, OPTIONS, clock));
    Path newer = Files.createDirectory(temp.resolve("newer"));
    Files.writeString(newer.resolve("FORMAT"), "thresher blob store, format 99\n");
    IOException e =
        assertThrows(IOException.class, () -> RocksBlobStore.open(newer, OPTIONS, clock));
    assertTrue(String.valueOf(e.getMessage()).contains("format 99"));
    Path foreign = Files.createDirectory(temp.resolve("foreign"));
    Files.writeString(foreign.resolve("thesis.txt"), "mine");
    assertThrows(IOException.class, () -> RocksBlobStore.open(foreign, OPTIONS, clock));
  }

  @Test
  void aWriteThatWouldTouchTheReserveIsRefused() throws Exception {
    store.close();
    store = RocksBlobStore.open(dir, OPTIONS.withReserveBytes(Long.MAX_VALUE / 2), clock);
    assertThrows(StoreUnavailableException.class, () -> store.put(SCOPE, random(10, 11)));
    assertThrows(
        StoreUnavailableException.class, () -> store.write(SCOPE, Digest.of(random(LARGE, 11))));
  }

  @Test
  void anOpenThatIsInterruptedEndsItsThreadsBeforeTheDatabaseThatTheyUse() throws Exception {
    Digest large = store.put(SCOPE, random(LARGE, 12));
    store.close();
    long before = committers();
    InstantSource interrupting =
        new InstantSource() {
          @Override
          public Instant instant() {
            return now;
          }

          @Override
          public long millis() { // asked for once, when the database is open
            Thread.currentThread().interrupt();
            return now.toEpochMilli();
          }
        };
    while (opens(interrupting)) {
      assertTrue(Thread.interrupted()); // every answer was there before it was waited for
    }
    assertTrue(Thread.interrupted());
    assertEquals(before, committers());
    store = RocksBlobStore.open(dir, OPTIONS, clock);
    assertArrayEquals(random(LARGE, 12), store.readAll(SCOPE, large));
  }

  private boolean opens(InstantSource clock) throws IOException {
    Files.delete(dir.resolve("CLEAN")); // so that the files are compared with the database
    try {
      RocksBlobStore opened = RocksBlobStore.open(dir, OPTIONS, clock);
      boolean interrupted = Thread.interrupted();
      opened.close();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      return true;
    } catch (InterruptedIOException e) {
      return false;
    }
  }

  private static long committers() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("blob-committer"))
        .count();
  }

  /** A disk whose syncs can be made to fail, once each. */
  private static final class FailingDisk extends Disk.Real {
    volatile boolean failFile;
    volatile boolean failDirectory;
    volatile boolean failJournal;

    @Override
    public void syncFile(FileChannel file) throws IOException {
      if (failFile) {
        failFile = false;
        throw new IOException("planted: fsync of a file");
      }
      super.syncFile(file);
    }

    @Override
    public void syncDirectory(Path directory) throws IOException {
      if (failDirectory) {
        failDirectory = false;
        throw new IOException("planted: fsync of a directory");
      }
      super.syncDirectory(directory);
    }

    @Override
    public void writeSynced(RocksDB db, WriteOptions synced, WriteBatch batch)
        throws RocksDBException {
      if (failJournal) {
        failJournal = false;
        throw new RocksDBException("planted: sync of the journal");
      }
      super.writeSynced(db, synced, batch);
    }
  }

  @Test
  void afterAFailedSyncNothingIsAcknowledgedAndReadsGoOn() throws Exception {
    for (String kind : List.of("file", "directory", "journal")) {
      FailingDisk disk = new FailingDisk();
      Path own = temp.resolve(kind);
      Digest before;
      byte[] lost = random(LARGE, 12);
      try (RocksBlobStore failing = RocksBlobStore.open(own, OPTIONS, clock, disk)) {
        before = failing.put(SCOPE, random(LARGE, 13));
        switch (kind) {
          case "file" -> disk.failFile = true;
          case "directory" -> disk.failDirectory = true;
          default -> disk.failJournal = true;
        }
        assertThrows(StoreUnavailableException.class, () -> failing.put(SCOPE, lost));
        // The disk is well again, but nobody knows what it dropped.
        assertThrows(StoreUnavailableException.class, () -> failing.put(SCOPE, lost));
        assertThrows(StoreUnavailableException.class, () -> failing.put(SCOPE, new byte[] {1}));
        assertFalse(failing.contains(SCOPE, Digest.of(lost)));
        assertArrayEquals(random(LARGE, 13), failing.readAll(SCOPE, before));
        now = now.plusSeconds(100_000);
        assertArrayEquals(random(LARGE, 13), failing.readAll(SCOPE, before));
      }
      try (RocksBlobStore healed = RocksBlobStore.open(own, OPTIONS, clock)) {
        assertArrayEquals(random(LARGE, 13), healed.readAll(SCOPE, before));
        healed.put(SCOPE, lost);
      }
    }
  }

  @Test
  void aClosedStoreSaysSo() throws Exception {
    store.close();
    assertThrows(StoreUnavailableException.class, () -> store.put(SCOPE, random(10, 14)));
    assertThrows(
        StoreUnavailableException.class, () -> store.contains(SCOPE, Digest.of(random(1, 1))));
  }
}
