package build.thresher.cas.store;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.rocksdb.CompactRangeOptions;
import org.rocksdb.MutableColumnFamilyOptions;
import org.rocksdb.RocksDBException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives the room of deleted values back to the file system. Left alone, RocksDB would do so for a
 * file of values when all of them are dead. All values that live are rewritten, so it waits until a
 * quarter of the table is dead: a byte that is evicted then costs at most three that are copied.
 *
 * <p>Threading: one thread of its own; nobody waits for it.
 */
final class Compaction implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Compaction.class);
  private static final long LEAST_BYTES = 64L << 20;

  private final Database database;
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().daemon().name("blob-compactor").factory());
  private final CompactRangeOptions options =
      new CompactRangeOptions().setExclusiveManualCompaction(false);
  private final AtomicLong deadBytes = new AtomicLong();
  private final AtomicBoolean running = new AtomicBoolean();

  Compaction(Database database) {
    this.database = database;
  }

  /** Values of this size were deleted. */
  void freed(long bytes) {
    deadBytes.addAndGet(bytes);
  }

  /** What the next compaction will give back, about. */
  long deadBytes() {
    return deadBytes.get();
  }

  /**
   * Called by one thread, which does not call it after close.
   *
   * @param urgent the file system is short of room, so that any gain is worth it
   */
  void startIfWorthIt(boolean urgent) throws RocksDBException {
    long dead = deadBytes.get();
    long worth = urgent ? 1 : Math.max(LEAST_BYTES, database.valueBytes() / 4);
    if (dead >= worth && !running.getAndSet(true)) {
      thread.execute(() -> run(dead));
    }
  }

  private void run(long dead) {
    try {
      long before = database.valueBytes();
      // Otherwise RocksDB's blob files would be left as they are.
      setAgeCutoff(1.0);
      try {
        database.db.compactRange(database.values, null, null, options);
      } finally {
        setAgeCutoff(Database.BLOB_AGE_CUTOFF);
      }
      deadBytes.addAndGet(-dead);
      log.info("compacted values before={} after={} dead={}", before, database.valueBytes(), dead);
    } catch (RocksDBException e) {
      log.warn("compaction ended early: {}", e.getMessage());
    } finally {
      running.set(false);
    }
  }

  private void setAgeCutoff(double cutoff) throws RocksDBException {
    database.db.setOptions(
        database.values,
        MutableColumnFamilyOptions.builder().setBlobGarbageCollectionAgeCutoff(cutoff).build());
  }

  /** Cancels what runs; must be closed before the database. */
  @Override
  public void close() {
    options.setCanceled(true);
    Threads.end(thread);
    options.close();
  }
}
