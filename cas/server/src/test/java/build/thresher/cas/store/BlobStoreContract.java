package build.thresher.cas.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** What every {@link BlobStore} promises. Each implementation runs all of it. */
public abstract class BlobStoreContract {
  protected static final Scope SCOPE = Scope.farm("");

  /** One byte, just below, at and above the block size and the usual border, and several chunks. */
  private static final int[] SIZES = {
    1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 1_000_003, 5_000_011
  };

  /** An empty store, closed by whoever made it. */
  protected abstract BlobStore store();

  protected static byte[] random(int size, long seed) {
    byte[] bytes = new byte[size];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private void write(Digest digest, byte[] bytes, int chunk) throws IOException {
    try (BlobWriter writer = store().write(SCOPE, digest)) {
      for (int at = 0; at < bytes.length; at += chunk) {
        writer.write(ByteBuffer.wrap(bytes, at, Math.min(chunk, bytes.length - at)));
      }
      assertEquals(bytes.length, writer.position());
      writer.commit();
    }
  }

  @Test
  public void whatWasWrittenIsRead() throws Exception {
    for (int size : SIZES) {
      byte[] bytes = random(size, size);
      Digest digest = Digest.of(bytes);
      assertFalse(store().contains(SCOPE, digest));
      write(digest, bytes, 70_001);
      assertTrue(store().contains(SCOPE, digest));
      assertArrayEquals(bytes, store().readAll(SCOPE, digest), "size " + size);
    }
  }

  @Test
  public void whatWasPutTogetherIsReadTogether() throws Exception {
    List<Blob> blobs = new ArrayList<>();
    for (int size : SIZES) {
      blobs.add(Blob.of(random(size, size + 1)));
    }
    blobs.add(Blob.of(new byte[0]));
    store().putAll(SCOPE, blobs);
    List<Digest> digests = blobs.stream().map(Blob::digest).toList();
    assertEquals(Set.of(), store().findMissing(SCOPE, digests));
    List<Blob> read = store().readAll(SCOPE, digests);
    for (int i = 0; i < blobs.size(); i++) {
      assertArrayEquals(blobs.get(i).bytes(), read.get(i).bytes());
    }
  }

  @Test
  public void rangesAreReadExactly() throws Exception {
    Random random = new Random(7);
    for (int size : new int[] {1, 65_536, 131_073, 5_000_011}) {
      byte[] bytes = random(size, size + 2);
      Digest digest = store().put(SCOPE, bytes);
      for (int i = 0; i < 20; i++) {
        int offset = i == 0 ? size : random.nextInt(size);
        long length = i % 3 == 0 ? Long.MAX_VALUE : random.nextInt(size) + 1L;
        int end = (int) Math.min(size, offset + Math.min(length, size));
        try (InputStream in = store().read(SCOPE, digest, offset, length)) {
          assertArrayEquals(
              Arrays.copyOfRange(bytes, offset, end),
              in.readAllBytes(),
              size + " from " + offset + " for " + length);
        }
      }
    }
  }

  @Test
  public void aRangeOutsideTheBlobIsRefused() throws Exception {
    Digest digest = store().put(SCOPE, random(10, 1));
    for (long[] range : new long[][] {{-1, 1}, {11, 1}, {0, -1}}) {
      assertThrows(
          IllegalArgumentException.class, () -> store().read(SCOPE, digest, range[0], range[1]));
    }
  }

  @Test
  public void theEmptyBlobIsAlwaysThere() throws Exception {
    assertTrue(store().contains(SCOPE, Digest.EMPTY));
    assertArrayEquals(new byte[0], store().readAll(SCOPE, Digest.EMPTY));
    write(Digest.EMPTY, new byte[0], 1);
  }

  @Test
  public void anAbsentBlobIsReportedMissingAndNotRead() throws Exception {
    Digest small = Digest.of("nobody wrote this".getBytes(UTF_8));
    Digest large = Digest.fromHash(small.hashBytes(), 10_000_000);
    assertEquals(Set.of(small, large), store().findMissing(SCOPE, List.of(small, large, small)));
    assertThrows(BlobNotFoundException.class, () -> store().readAll(SCOPE, small));
    assertThrows(BlobNotFoundException.class, () -> store().readAll(SCOPE, large));
    assertThrows(BlobNotFoundException.class, () -> store().read(SCOPE, large, 5, 1));
    assertThrows(BlobNotFoundException.class, () -> store().read(SCOPE, small, 17, 1));
  }

  @Test
  public void theRightHashWithAnotherSizeIsAnotherBlob() throws Exception {
    Digest digest = store().put(SCOPE, random(100, 3));
    Digest lie = Digest.fromHash(digest.hashBytes(), 99);
    assertFalse(store().contains(SCOPE, lie));
    assertThrows(BlobNotFoundException.class, () -> store().readAll(SCOPE, lie));
  }

  @Test
  public void otherBytesThanNamedAreRefused() throws Exception {
    for (int size : new int[] {100, 500_000}) {
      byte[] bytes = random(size, 4);
      Digest digest = Digest.of(random(size, 5));
      assertThrows(DigestMismatchException.class, () -> write(digest, bytes, 10_000));
      assertThrows(
          DigestMismatchException.class,
          () -> store().putAll(SCOPE, List.of(new Blob(digest, bytes))));
      assertFalse(store().contains(SCOPE, digest));
    }
  }

  @Test
  public void tooFewAndTooManyBytesAreRefused() throws Exception {
    for (int size : new int[] {100, 500_000}) {
      byte[] bytes = random(size, 6);
      Digest digest = Digest.of(bytes);
      byte[] shorter = Arrays.copyOf(bytes, size - 1);
      byte[] longer = Arrays.copyOf(bytes, size + 1);
      assertThrows(DigestMismatchException.class, () -> write(digest, shorter, 64_000));
      assertThrows(DigestMismatchException.class, () -> write(digest, longer, 64_000));
      assertFalse(store().contains(SCOPE, digest));
      write(digest, bytes, 64_000);
      assertTrue(store().contains(SCOPE, digest));
    }
  }

  @Test
  public void nothingIsStoredWhenOneOfManyIsWrong() {
    Blob good = Blob.of(random(10, 8));
    Blob bad = new Blob(Digest.of(random(10, 9)), random(10, 10));
    assertThrows(DigestMismatchException.class, () -> store().putAll(SCOPE, List.of(good, bad)));
    assertThrows(BlobNotFoundException.class, () -> store().readAll(SCOPE, good.digest()));
  }

  @Test
  public void aWriteThatIsGivenUpLeavesNothing() throws Exception {
    byte[] bytes = random(3_000_000, 11);
    Digest digest = Digest.of(bytes);
    try (BlobWriter writer = store().write(SCOPE, digest)) {
      writer.write(ByteBuffer.wrap(bytes, 0, 2_000_000));
    }
    assertFalse(store().contains(SCOPE, digest));
  }

  @Test
  public void manyMayWriteTheSameBlobAtOnce() throws Exception {
    for (int size : new int[] {1_000, 600_000}) {
      byte[] bytes = random(size, 12);
      Digest digest = Digest.of(bytes);
      try (ExecutorService writers = Executors.newVirtualThreadPerTaskExecutor()) {
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
          running.add(
              writers.submit(
                  () -> {
                    write(digest, bytes, 50_000);
                    return null;
                  }));
        }
        for (Future<?> one : running) {
          one.get();
        }
      }
      assertArrayEquals(bytes, store().readAll(SCOPE, digest));
    }
  }
}
