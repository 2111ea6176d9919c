package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.store.MetadataCodec.Hold;
import java.io.IOException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.rocksdb.CompactRangeOptions;
import org.rocksdb.RocksDBException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes room: the blobs that were used least recently go, with the results that were. It never
 * touches what is leased, pinned or was used within the guaranteed lifetime, so it may find
 * nothing; then writes are refused, and what was promised stays.
 *
 * <p>It works ahead, once a minute, when the store is nearly full, and at once for a writer who
 * finds no room. After an unclean stop it waits one lifetime, because last uses may be lost.
 *
 * <p>Threading: one thread of its own, which asks RocksDB directly. Writers wait for it.
 */
final class Eviction implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Eviction.class);
  private static final int TOGETHER = 256;
  private static final long COMPACT_AFTER_BYTES = 64L << 20;

  /** A pass that found nothing is not tried again for a writer within this time. */
  private static final long FRUITLESS_MILLIS = 5_000;

  private final Database database;
  private final GroupCommitter committer;
  private final Room room;
  private final LastUse lastUse;
  private final Removal removal;
  private final PartialUploads partial;
  private final InstantSource clock;
  private final Instant notBefore;
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("blob-evictor").factory());
  private final CompactRangeOptions compaction =
      new CompactRangeOptions().setExclusiveManualCompaction(false);
  private volatile boolean closing;
  private long uncompactedBytes;
  private long fruitlessSinceMillis = Long.MIN_VALUE / 2;

  Eviction(
      Database database,
      GroupCommitter committer,
      Room room,
      LastUse lastUse,
      Removal removal,
      PartialUploads partial,
      InstantSource clock,
      Instant notBefore) {
    this.database = database;
    this.committer = committer;
    this.room = room;
    this.lastUse = lastUse;
    this.removal = removal;
    this.partial = partial;
    this.clock = clock;
    this.notBefore = notBefore;
  }

  void start() {
    Future<?> unused = thread.scheduleWithFixedDelay(this::workAhead, 1, 1, TimeUnit.MINUTES);
  }

  private void workAhead() {
    try {
      long wanted = room.shortOfBytes();
      if (wanted > 0) {
        evict(wanted);
      }
      compactIfWorthIt();
      partial.expire();
    } catch (IOException | RocksDBException | RuntimeException e) {
      log.warn("eviction failed; it is tried again in a minute", e);
    }
  }

  /** Evicts at least so much, if it can, and returns when that is done. */
  void makeRoom(long bytes) throws IOException {
    try {
      thread
          .submit(
              () -> {
                long now = clock.millis();
                if (now - fruitlessSinceMillis > FRUITLESS_MILLIS || now < fruitlessSinceMillis) {
                  boolean found = evict(Math.max(bytes, room.shortOfBytes()));
                  fruitlessSinceMillis = found ? Long.MIN_VALUE / 2 : now;
                  compactIfWorthIt();
                }
                return null;
              })
          .get();
    } catch (RejectedExecutionException e) {
      log.debug("no eviction in a store that is closing");
    } catch (ExecutionException e) {
      throw new IOException("making room in the store failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("interrupted while room was made in the store");
    }
  }

  private boolean evict(long wanted) throws IOException, RocksDBException {
    if (clock.instant().isBefore(notBefore)) {
      log.warn("store full, and nothing is evicted before {}: it was not closed", notBefore);
      return false;
    }
    int before = epochFor(wanted);
    if (before == Integer.MIN_VALUE) {
      log.warn("store full: all that it holds is promised, leased or pinned");
      return false;
    }
    int blobs = 0;
    long bytes = 0;
    try (Scan scan = new Scan(database)) {
      List<Digest> group = new ArrayList<>(TOGETHER);
      for (boolean more = true; more && !closing; ) {
        more = scan.next();
        if (more && scan.record().lastUseEpoch() <= before && !scan.isHeld(clock.millis())) {
          group.add(scan.digest());
        }
        if (group.size() == TOGETHER || (!more && !group.isEmpty())) {
          Removal.Removed removed =
              removal.remove(
                  group,
                  record ->
                      record.lastUseEpoch() <= before
                          && record.lastUseEpoch() < lastUse.promisedSince());
          blobs += removed.blobs();
          bytes += removed.bytes();
          group.clear();
          more &= bytes < wanted;
        }
      }
    }
    int results = evictResults(before);
    uncompactedBytes += bytes;
    log.info("evicted blobs={} bytes={} wanted={} results={}", blobs, bytes, wanted, results);
    return blobs > 0;
  }

  /** The hour up to which everything that may go must go to free so much. */
  private int epochFor(long wanted) throws IOException {
    TreeMap<Integer, Long> bytesByEpoch = new TreeMap<>();
    int promised = lastUse.promisedSince();
    try (Scan scan = new Scan(database)) {
      while (!closing && scan.next()) {
        BlobRecord record = scan.record();
        if (record.lastUseEpoch() < promised && !scan.isHeld(clock.millis())) {
          bytesByEpoch.merge(record.lastUseEpoch(), record.sizeBytes(), Long::sum);
        }
      }
    }
    long sum = 0;
    for (Map.Entry<Integer, Long> one : bytesByEpoch.entrySet()) {
      sum += one.getValue();
      if (sum >= wanted) {
        return one.getKey();
      }
    }
    return bytesByEpoch.isEmpty() ? Integer.MIN_VALUE : bytesByEpoch.lastKey();
  }

  /** A result that went unused as long as the blobs that go has most likely lost one of them. */
  private int evictResults(int before) throws IOException {
    List<byte[]> old = new ArrayList<>();
    try (var results = database.db.newIterator(database.results)) {
      for (results.seekToFirst(); results.isValid() && !closing; results.next()) {
        if (ResultTable.lastUse(results.value()) <= before) {
          old.add(results.key());
        }
      }
    }
    committer.run(
        0,
        batch -> {
          for (byte[] key : old) {
            byte[] present = batch.result(key);
            if (present != null && ResultTable.lastUse(present) <= before) {
              batch.removeResult(key);
            }
          }
        });
    return old.size();
  }

  /** Gives the room of deleted values back to the file system. */
  private void compactIfWorthIt() throws RocksDBException {
    if (uncompactedBytes >= COMPACT_AFTER_BYTES && !closing) {
      uncompactedBytes = 0;
      database.db.compactRange(database.values, null, null, compaction);
    }
  }

  /** Every blob with what holds it; both tables are read once, side by side, in order of keys. */
  private static final class Scan implements AutoCloseable {
    private final org.rocksdb.ReadOptions options =
        new org.rocksdb.ReadOptions().setFillCache(false).setReadaheadSize(256 << 10);
    private final org.rocksdb.RocksIterator metadata;
    private final org.rocksdb.RocksIterator holds;
    private boolean begun;

    Scan(Database database) {
      this.metadata = database.db.newIterator(database.metadata, options);
      this.holds = database.db.newIterator(database.holds, options);
    }

    boolean next() {
      if (begun) {
        metadata.next();
      } else {
        metadata.seekToFirst();
        holds.seekToFirst();
        begun = true;
      }
      return metadata.isValid();
    }

    Digest digest() throws IOException {
      return Digest.fromHash(metadata.key(), record().sizeBytes());
    }

    BlobRecord record() throws IOException {
      return MetadataCodec.decodeRecord(metadata.value());
    }

    boolean isHeld(long nowMillis) throws IOException {
      byte[] key = metadata.key();
      while (holds.isValid() && java.util.Arrays.compareUnsigned(holds.key(), key) < 0) {
        holds.next();
      }
      if (!holds.isValid() || !java.util.Arrays.equals(holds.key(), key)) {
        return false;
      }
      Hold hold = MetadataCodec.decodeHold(holds.value());
      return hold.keeps(nowMillis);
    }

    @Override
    public void close() {
      metadata.close();
      holds.close();
      options.close();
    }
  }

  /** Ends the thread; must be closed before the committer and the database. */
  @Override
  public void close() {
    closing = true;
    compaction.setCanceled(true);
    thread.shutdown();
    boolean interrupted = false;
    boolean ended = false;
    while (!ended) {
      try {
        ended = thread.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    compaction.close();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
