package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds damage before a reader does: reads every blob once a day at most, and quarantines what is
 * no longer what was written, so that its next upload repairs it. It reads no more than so many
 * bytes a second, and rests nine times as long as the disk took, so that it has a tenth of the
 * disk's time at most. Each start begins anywhere, so that frequent restarts leave no corner out.
 *
 * <p>What the operating system keeps in memory is read from there, so damage on the disk below
 * shows when the memory was used for something else.
 *
 * <p>Threading: one thread of its own, which asks RocksDB directly.
 */
final class Scrubber implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Scrubber.class);
  private static final int TOGETHER = 256;
  private static final int REST_FACTOR = 9;

  private final Database database;
  private final Quarantine quarantine;
  private final long bytesPerSecond;
  private final Thread thread;
  private final CountDownLatch closing = new CountDownLatch(1);

  /** What one round saw. */
  record Round(long blobs, long bytes, long damaged) {}

  /**
   * @param bytesPerSecond 0 for none
   * @param first where the first round begins: the first byte of a hash
   */
  Scrubber(Database database, Quarantine quarantine, long bytesPerSecond, byte first) {
    this.database = database;
    this.quarantine = quarantine;
    this.bytesPerSecond = bytesPerSecond;
    this.thread = Thread.ofPlatform().daemon().name("blob-scrubber").unstarted(() -> keepOn(first));
  }

  void start() {
    if (bytesPerSecond > 0) {
      thread.start();
    }
  }

  private void keepOn(byte first) {
    try {
      round(new byte[] {first}, new Pace());
      while (!isClosing()) {
        Round round = round(new byte[0], new Pace());
        log.info(
            "scrubbed blobs={} bytes={} damaged={}", round.blobs(), round.bytes(), round.damaged());
        rest(TimeUnit.DAYS.toNanos(1));
      }
    } catch (IOException | RocksDBException | RuntimeException e) {
      log.error("scrubbing ended; the next start of the server takes it up again", e);
    }
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  /** Returns early when the store closes. */
  private void rest(long nanos) {
    try {
      boolean ended = closing.await(nanos, TimeUnit.NANOSECONDS);
      log.trace("rested, closing={}", ended);
    } catch (InterruptedException e) {
      throw new AssertionError("nobody interrupts this thread", e);
    }
  }

  /** Rests after each block for as long as it must. */
  private final class Pace implements Quarantine.Progress {
    private long since = System.nanoTime();

    @Override
    public void read(long bytes) {
      long took = System.nanoTime() - since;
      double allowed = (double) bytes / bytesPerSecond * TimeUnit.SECONDS.toNanos(1);
      rest(Math.max((long) allowed - took, REST_FACTOR * took));
      since = System.nanoTime();
    }
  }

  /** Everything once, as fast as it goes, on the caller's thread. */
  Round everything() throws IOException, RocksDBException {
    return round(new byte[0], bytes -> {});
  }

  private Round round(byte[] from, Quarantine.Progress progress)
      throws IOException, RocksDBException {
    long blobs = 0;
    long bytes = 0;
    long damaged = 0;
    byte[] after = from;
    for (List<Digest> some = next(after); !some.isEmpty() && !isClosing(); some = next(after)) {
      for (Digest digest : some) {
        if (isClosing()) {
          break;
        }
        damaged += quarantine.check(digest, progress) ? 0 : 1;
        blobs++;
        bytes += digest.sizeBytes();
      }
      // The smallest key after that of the last one.
      after = Arrays.copyOf(some.getLast().hashBytes(), Digest.HASH_BYTES + 1);
    }
    return new Round(blobs, bytes, damaged);
  }

  /** The next blobs; no iterator stays open while they are read, for it would hold old files. */
  private List<Digest> next(byte[] from) throws IOException, RocksDBException {
    List<Digest> found = new ArrayList<>(TOGETHER);
    try (ReadOptions options = new ReadOptions().setFillCache(false);
        RocksIterator metadata = database.db.newIterator(database.metadata, options)) {
      metadata.seek(from);
      for (; metadata.isValid() && found.size() < TOGETHER; metadata.next()) {
        BlobRecord record = MetadataCodec.decodeRecord(metadata.value());
        found.add(Digest.fromHash(metadata.key(), record.sizeBytes()));
      }
      metadata.status();
    }
    return found;
  }

  /** Ends the thread; must be closed before the committer and the database. */
  @Override
  public void close() {
    closing.countDown();
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
