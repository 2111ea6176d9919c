package build.thresher.cas.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bytes that change on the disk: never served, found by the scrubber, healed by an upload. */
final class DamageTest {
  private static final Scope SCOPE = Scope.farm("");
  private static final StoreOptions OPTIONS =
      StoreOptions.DEFAULTS.withReserveBytes(0).withScrubBytesPerSecond(0);

  @TempDir Path temp;

  private final long seed = Long.getLong("thresher.seed", System.nanoTime());
  private final RandomGenerator random = new SplittableRandom(seed);

  @Test
  void damagedBytesOfFilesAreNeverServedAndHealWithTheNextUpload() throws Exception {
    damageFiles(1_000);
  }

  @Test
  @Tag("long")
  void damagedBytesOfFilesAreNeverServedAHundredThousandTimes() throws Exception {
    damageFiles(100_000);
  }

  private void damageFiles(int times) throws Exception {
    Path dir = temp.resolve("files");
    try (RocksBlobStore store = open(dir, OPTIONS.withLargeBlobBytes(1_000))) {
      Map<Digest, byte[]> blobs = fill(store, 40, 2_000, 200_000);
      List<Digest> digests = List.copyOf(blobs.keySet());
      int refused = 0;
      for (int i = 0; i < times; i++) {
        Digest digest = digests.get(random.nextInt(digests.size()));
        damage(file(dir, digest));
        int from = random.nextInt((int) digest.sizeBytes());
        int length = random.nextInt((int) digest.sizeBytes());
        try {
          byte[] read = store.read(SCOPE, digest, from, length).readAllBytes();
          byte[] right =
              java.util.Arrays.copyOfRange(
                  content(blobs, digest), from, Math.min(from + length, (int) digest.sizeBytes()));
          assertArrayEquals(right, read, "served wrong; " + replay());
          refused += store.scrub().damaged() == 1 ? 1 : 0; // or it was another block
        } catch (CorruptBlobException e) {
          refused++;
        }
        assertEquals(Set.of(digest), store.findMissing(SCOPE, Set.of(digest)), replay());
        store.put(SCOPE, content(blobs, digest));
        assertArrayEquals(content(blobs, digest), store.readAll(SCOPE, digest), replay());
      }
      assertEquals(times, refused, "damage that nobody found; " + replay());
    }
  }

  @Test
  void theScrubberFindsWhatNobodyReads() throws Exception {
    Path dir = temp.resolve("scrubbed");
    try (RocksBlobStore store = open(dir, OPTIONS.withLargeBlobBytes(1_000))) {
      Map<Digest, byte[]> blobs = fill(store, 300, 1_000, 100_000);
      List<Digest> damaged = blobs.keySet().stream().limit(100).toList();
      for (Digest digest : damaged) {
        damage(file(dir, digest));
      }
      assertEquals(100, store.scrub().damaged(), replay());
      assertEquals(Set.copyOf(damaged), store.findMissing(SCOPE, blobs.keySet()), replay());
      assertEquals(0, store.scrub().damaged(), replay());
      for (byte[] bytes : blobs.values()) {
        store.put(SCOPE, bytes);
      }
      assertEquals(new Scrubber.Round(300, sum(blobs), 0), store.scrub(), replay());
    }
  }

  @Test
  void theScrubberWorksByItselfWithinItsRate() throws Exception {
    Path dir = temp.resolve("paced");
    Digest digest;
    try (RocksBlobStore store = open(dir, OPTIONS)) {
      digest = store.put(SCOPE, bytes(600_000));
    }
    damage(file(dir, digest));
    try (RocksBlobStore store = open(dir, OPTIONS.withScrubBytesPerSecond(64L << 20))) {
      long deadline = System.nanoTime() + 60_000_000_000L;
      while (store.findMissing(SCOPE, Set.of(digest)).isEmpty()) {
        assertTrue(System.nanoTime() < deadline, "not found");
        Thread.sleep(10);
      }
    }
    try (RocksBlobStore store = open(dir, OPTIONS.withScrubBytesPerSecond(1))) {
      store.put(SCOPE, bytes(600_000)); // takes a week, and does not keep the store from closing
    }
  }

  /** The database is damaged while it is closed, as a disk does it; blobs of 100 KiB lie in it. */
  @Test
  void aDamagedDatabaseServesNothingWrong() throws Exception {
    int refusedToOpen = 0;
    int refusedToRead = 0;
    for (int round = 0; round < 20; round++) {
      Path dir = temp.resolve("database-" + round);
      Map<Digest, byte[]> blobs;
      try (RocksBlobStore store = open(dir, OPTIONS)) {
        blobs = fill(store, 30, 1, 100_000);
      }
      if (random.nextBoolean()) {
        open(dir, OPTIONS).close(); // brings what stands in the log into tables
      }
      List<Path> files;
      try (Stream<Path> listing = Files.list(dir.resolve("db"))) {
        files =
            listing
                .filter(f -> f.toString().matches(".*\\.(sst|blob|log)|.*/(MANIFEST-\\d+|CURRENT)"))
                .filter(f -> f.toFile().length() > 0)
                .sorted()
                .toList();
      }
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        damage(files.get(random.nextInt(files.size())));
      }
      try (RocksBlobStore store = open(dir, OPTIONS)) {
        for (Map.Entry<Digest, byte[]> blob : blobs.entrySet()) {
          try {
            byte[] read = store.readAll(SCOPE, blob.getKey());
            assertArrayEquals(blob.getValue(), read, "served wrong; " + replay());
          } catch (StoreException e) {
            refusedToRead++;
            try {
              store.put(SCOPE, blob.getValue());
              assertArrayEquals(blob.getValue(), store.readAll(SCOPE, blob.getKey()), replay());
            } catch (IOException unhealed) {
              // Refused as well; the damage lies where no upload mends it.
            }
          } catch (IOException e) {
            refusedToRead++;
          }
        }
      } catch (IOException e) {
        assertTrue(String.valueOf(e.getMessage()).length() > 10);
        refusedToOpen++;
      }
    }
    System.out.println(
        "20 damaged databases: " + refusedToOpen + " refused to open, " + refusedToRead + " reads");
    assertTrue(refusedToOpen + refusedToRead > 0, replay());
  }

  private String replay() {
    return "replay with -Dthresher.seed=" + seed;
  }

  private static RocksBlobStore open(Path dir, StoreOptions options) throws IOException {
    return RocksBlobStore.open(dir, options, InstantSource.system());
  }

  private Map<Digest, byte[]> fill(RocksBlobStore store, int count, int least, int most)
      throws IOException {
    Map<Digest, byte[]> blobs = new LinkedHashMap<>();
    for (int i = 0; i < count; i++) {
      byte[] bytes = bytes(least + random.nextInt(most - least));
      blobs.put(store.put(SCOPE, bytes), bytes);
    }
    return blobs;
  }

  private byte[] bytes(int size) {
    byte[] bytes = new byte[size];
    random.nextBytes(bytes);
    return bytes;
  }

  private static byte[] content(Map<Digest, byte[]> blobs, Digest digest) {
    return java.util.Objects.requireNonNull(blobs.get(digest));
  }

  private static long sum(Map<Digest, byte[]> blobs) {
    return blobs.keySet().stream().mapToLong(Digest::sizeBytes).sum();
  }

  private static Path file(Path dir, Digest digest) {
    return dir.resolve("blobs").resolve(digest.hex().substring(0, 2)).resolve(digest.hex());
  }

  /** Flips, overwrites or cuts; something is always different afterwards. */
  private void damage(Path file) throws IOException {
    long size = Files.size(file);
    if (size == 0) {
      return; // cut off before
    }
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      long at = random.nextLong(size);
      if (random.nextInt(5) == 0) {
        channel.truncate(at);
        return;
      }
      ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(1 + random.nextInt(64), size - at));
      channel.read(bytes, at);
      for (int i = 0; i < bytes.limit(); i++) {
        bytes.put(i, (byte) (bytes.get(i) ^ (1 + random.nextInt(255))));
      }
      channel.write(bytes.flip().limit(bytes.capacity()), at);
    }
  }
}
