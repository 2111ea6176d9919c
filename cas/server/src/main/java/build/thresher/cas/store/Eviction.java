package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
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

  /** A pass that found nothing is not tried again for a writer within this time. */
  private static final long FRUITLESS_MILLIS = 5_000;

  private final Database database;
  private final GroupCommitter committer;
  private final Room room;
  private final LastUse lastUse;
  private final Removal removal;
  private final Compaction compaction;
  private final PartialUploads partial;
  private final InstantSource clock;
  private final Instant notBefore;
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("blob-evictor").factory());
  private volatile boolean closing;
  private long fruitlessSinceMillis = Long.MIN_VALUE / 2;

  Eviction(
      Database database,
      GroupCommitter committer,
      Room room,
      LastUse lastUse,
      Removal removal,
      Compaction compaction,
      PartialUploads partial,
      InstantSource clock,
      Instant notBefore) {
    this.database = database;
    this.committer = committer;
    this.room = room;
    this.lastUse = lastUse;
    this.removal = removal;
    this.compaction = compaction;
    this.partial = partial;
    this.clock = clock;
    this.notBefore = notBefore;
  }

  void start() {
    Future<?> unused = thread.scheduleWithFixedDelay(this::workAhead, 1, 1, TimeUnit.MINUTES);
  }

  private void workAhead() {
    try {
      pass(0);
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
                  fruitlessSinceMillis = pass(bytes) ? Long.MIN_VALUE / 2 : now;
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
      throw new InterruptedIOException("interrupted while room was made in the store");
    }
  }

  /** False when nothing could go. */
  private boolean pass(long least) throws IOException, RocksDBException {
    long shortOnDisk = room.shortOnDiskBytes();
    long comesBack = compaction.deadBytes();
    long wanted =
        Math.max(least, Math.max(room.shortOfMaxBytes(), shortOnDisk - Math.max(0, comesBack)));
    boolean evicted = wanted > 0 && evict(wanted);
    compaction.startIfWorthIt(shortOnDisk > 0);
    return evicted;
  }

  private boolean evict(long wanted) throws IOException, RocksDBException {
    if (clock.instant().isBefore(notBefore)) {
      log.warn("store full, and nothing is evicted before {}: it was not closed", notBefore);
      return false;
    }
    Optional<Border> found = border(wanted);
    if (found.isEmpty()) {
      log.warn("store full: all that it holds is promised, leased or pinned");
      return false;
    }
    Border border = found.get();
    int blobs = 0;
    long bytes = 0;
    long left = border.bytesOfIt();
    try (BlobScan scan = new BlobScan(database)) {
      List<Digest> group = new ArrayList<>(TOGETHER);
      for (boolean more = true; more && !closing; ) {
        more = scan.next();
        if (more && border.reaches(scan.record(), left) && !scan.isHeld(clock.millis())) {
          group.add(scan.digest());
          left -= scan.record().lastUseEpoch() == border.epoch() ? scan.record().sizeBytes() : 0;
        }
        if (group.size() == TOGETHER || (!more && !group.isEmpty())) {
          Removal.Removed removed = removal.remove(group, record -> mayGo(record, border));
          blobs += removed.blobs();
          bytes += removed.bytes();
          compaction.freed(removed.inlineBytes());
          group.clear();
        }
      }
    }
    int results = evictResults(border.epoch());
    log.info("evicted blobs={} bytes={} wanted={} results={}", blobs, bytes, wanted, results);
    return blobs > 0;
  }

  /** Asked again when it goes: somebody may have used it meanwhile. */
  private boolean mayGo(BlobRecord record, Border border) {
    return record.lastUseEpoch() <= border.epoch()
        && record.lastUseEpoch() < lastUse.promisedSince();
  }

  /**
   * Which blobs go: all that were last used before an hour, and some that were in it.
   *
   * @param bytesOfIt how much of that hour
   */
  private record Border(int epoch, long bytesOfIt) {
    boolean reaches(BlobRecord record, long left) {
      return record.lastUseEpoch() < epoch || (record.lastUseEpoch() == epoch && left > 0);
    }
  }

  /** What must go to free so much, or all that may; empty where nothing may. */
  private Optional<Border> border(long wanted) throws IOException {
    TreeMap<Integer, Long> bytesByEpoch = new TreeMap<>();
    int promised = lastUse.promisedSince();
    try (BlobScan scan = new BlobScan(database)) {
      while (!closing && scan.next()) {
        BlobRecord record = scan.record();
        if (record.lastUseEpoch() < promised && !scan.isHeld(clock.millis())) {
          bytesByEpoch.merge(record.lastUseEpoch(), record.sizeBytes(), Long::sum);
        }
      }
    }
    long left = wanted;
    for (Map.Entry<Integer, Long> one : bytesByEpoch.entrySet()) {
      if (one.getValue() >= left) {
        return Optional.of(new Border(one.getKey(), left));
      }
      left -= one.getValue();
    }
    return Optional.ofNullable(bytesByEpoch.lastEntry())
        .map(last -> new Border(last.getKey(), last.getValue()));
  }

  /** A result that went unused as long as the blobs that go has most likely lost one of them. */
  private int evictResults(int before) throws IOException {
    List<byte[]> old = new ArrayList<>();
    try (RocksIterator results = database.db.newIterator(database.results)) {
      for (results.seekToFirst(); results.isValid() && !closing; results.next()) {
        if (ResultTable.lastUse(results.value()) <= before) {
          old.add(results.key());
        }
      }
    }
    for (List<byte[]> some : Lists.partition(old, TOGETHER)) {
      committer.run(
          0,
          batch -> {
            for (byte[] key : some) {
              byte[] present = batch.result(key);
              if (present != null && ResultTable.lastUse(present) <= before) {
                batch.removeResult(key);
              }
            }
          });
    }
    return old.size();
  }

  /** Ends the thread; must be closed before the committer and the database. */
  @Override
  public void close() {
    closing = true;
    Threads.end(thread);
  }
}
