package build.thresher.cas.store;

import build.thresher.cas.api.StoreFullException;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Room in the store and on its file system. Writes reserve what they will need and are refused
 * before they would exceed the store's size or touch the file system's reserve, so that the
 * database and whoever shares the disk can go on; freed room is seen at once.
 */
final class Room {
  /** What the file system said is believed so long, where there is so much more than is needed. */
  private static final long BELIEVED_NANOS = 10_000_000;

  private static final long PLENTY_BYTES = 256L << 20;

  private final FileStore fileSystem;
  private final long reserveBytes;
  private final long maxBytes;
  private final LongSupplier heldBytes;
  private final LongSupplier nanoTime;
  private volatile @Nullable Asked lately;
  private final AtomicLong reservedBytes = new AtomicLong();

  /** What the file system said. */
  private record Asked(long usableBytes, long atNanos) {}

  /**
   * @param maxBytes sum of the blobs' sizes that may not be exceeded
   * @param heldBytes the sum now
   */
  Room(Path dir, long reserveBytes, long maxBytes, LongSupplier heldBytes, LongSupplier nanoTime)
      throws IOException {
    this.fileSystem = Files.getFileStore(dir);
    this.reserveBytes = reserveBytes;
    this.maxBytes = maxBytes;
    this.heldBytes = heldBytes;
    this.nanoTime = nanoTime;
  }

  /** Room for one write; close it when the bytes are in place or given up. */
  final class Reservation implements AutoCloseable {
    private final long bytes;
    private boolean open = true;

    private Reservation(long bytes) {
      this.bytes = bytes;
    }

    @Override
    public void close() {
      if (open) {
        open = false;
        reservedBytes.addAndGet(-bytes);
      }
    }
  }

  /** Whether a blob of this size could ever have room. */
  boolean couldHold(long bytes) throws IOException {
    return bytes <= maxBytes && bytes <= fileSystem.getTotalSpace();
  }

  Reservation reserve(long bytes) throws IOException {
    long others = reservedBytes.getAndAdd(bytes);
    Reservation reservation = new Reservation(bytes);
    long usable = usableBytes(bytes, others);
    long held = heldBytes.getAsLong();
    // Subtractions: a claimed size may be anything up to Long.MAX_VALUE.
    boolean full = maxBytes - held - others < bytes;
    if (full || usable - reserveBytes - others < bytes) {
      reservation.close();
      throw new StoreFullException(
          full
              ? "no room for %d bytes: the store holds %d of at most %d, and %d are promised to other writes"
                  .formatted(bytes, held, maxBytes, others)
              : "no room for %d bytes: the file system has %d free, %d are promised to other writes and %d are kept in reserve"
                  .formatted(bytes, usable, others, reserveBytes));
    }
    return reservation;
  }

  /** To ask costs as much as a small write's own work. */
  private long usableBytes(long wanted, long others) throws IOException {
    long now = nanoTime.getAsLong();
    Asked asked = lately;
    if (asked == null
        || now - asked.atNanos() > BELIEVED_NANOS
        || asked.usableBytes() - reserveBytes - others - PLENTY_BYTES < wanted) {
      asked = new Asked(fileSystem.getUsableSpace(), now);
      lately = asked;
    }
    return asked.usableBytes();
  }

  /** What should go to stay below nine tenths of the size; 0 where it is. */
  long shortOfMaxBytes() {
    return Math.max(0, heldBytes.getAsLong() - (maxBytes - maxBytes / 10));
  }

  /** What should be freed on the file system to have its reserve and half as much again. */
  long shortOnDiskBytes() throws IOException {
    long wanted = reserveBytes + reserveBytes / 2;
    return Math.max(0, wanted - fileSystem.getUsableSpace());
  }
}
