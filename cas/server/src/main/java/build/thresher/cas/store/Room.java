package build.thresher.cas.store;

import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Room on the file system. Writes reserve what they will need and are refused before the reserve is
 * touched, so that the database and whoever shares the disk can go on; freed room is seen at once.
 */
final class Room {
  private final FileStore fileSystem;
  private final long reserveBytes;
  private final AtomicLong reservedBytes = new AtomicLong();

  Room(Path dir, long reserveBytes) throws IOException {
    this.fileSystem = Files.getFileStore(dir);
    this.reserveBytes = reserveBytes;
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

  Reservation reserve(long bytes) throws IOException {
    long others = reservedBytes.getAndAdd(bytes);
    Reservation reservation = new Reservation(bytes);
    long usable = fileSystem.getUsableSpace();
    // Subtractions: a claimed size may be anything up to Long.MAX_VALUE.
    if (usable - reserveBytes - others < bytes) {
      reservation.close();
      throw new StoreUnavailableException(
          "no room for "
              + bytes
              + " bytes: the file system has "
              + usable
              + " free, "
              + others
              + " are promised to other writes and "
              + reserveBytes
              + " are kept in reserve",
          null);
    }
    return reservation;
  }
}
