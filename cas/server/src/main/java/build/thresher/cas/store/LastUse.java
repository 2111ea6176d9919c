package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * When blobs were last used, to the hour, and the promise that follows from it: a blob that was
 * reported as present is not evicted within the guaranteed lifetime.
 *
 * <p>The hour is written only when it changes, so a busy blob costs one small write an hour. Such a
 * write may be lost in a crash, which is why nothing is evicted for one lifetime after one.
 */
final class LastUse {
  private static final int EPOCH_SECONDS = 3_600;

  private final InstantSource clock;
  private final int lifetimeEpochs;
  private final GroupCommitter committer;
  private final WriteGate gate;
  private final LatelyUsed lately = new LatelyUsed();

  LastUse(InstantSource clock, Duration lifetime, GroupCommitter committer, WriteGate gate) {
    this.clock = clock;
    this.lifetimeEpochs =
        Math.toIntExact(lifetime.plusSeconds(EPOCH_SECONDS - 1).toSeconds() / EPOCH_SECONDS);
    this.committer = committer;
    this.gate = gate;
  }

  /** Which inline blobs need no look at their record when they are read. */
  LatelyUsed lately() {
    return lately;
  }

  int epoch() {
    return epochOf(clock.instant());
  }

  static int epochOf(Instant time) {
    return (int) (time.getEpochSecond() / EPOCH_SECONDS);
  }

  /** What was last used before this hour is promised to nobody. */
  int promisedSince() {
    return epoch() - lifetimeEpochs;
  }

  /**
   * Uses blobs and promises them.
   *
   * @param records of the blobs, null where there is none
   * @return those that are not there, or that were evicted before they could be used
   */
  Set<Digest> promise(List<Digest> blobs, List<@Nullable BlobRecord> records) throws IOException {
    Set<Digest> absent = new HashSet<>();
    List<Digest> later = new ArrayList<>();
    List<Digest> atOnce = new ArrayList<>();
    for (int i = 0; i < blobs.size(); i++) {
      BlobRecord record = records.get(i);
      if (record == null) {
        absent.add(blobs.get(i));
      } else if (record.lastUseEpoch() <= promisedSince() + 1) {
        atOnce.add(blobs.get(i)); // An eviction may stand in the queue before this use.
      } else if (record.lastUseEpoch() < epoch()) {
        later.add(blobs.get(i));
      }
    }
    touch(later);
    if (!atOnce.isEmpty() && !gate.isShut()) {
      absent.addAll(committer.commit(0, batch -> use(batch, atOnce)));
    }
    return absent;
  }

  /** Uses blobs some time, promising nothing. */
  void touch(List<Digest> used) throws IOException {
    if (!used.isEmpty() && !gate.isShut()) {
      committer.runLater(batch -> use(batch, used));
    }
  }

  private List<Digest> use(Batch batch, List<Digest> used)
      throws IOException, org.rocksdb.RocksDBException {
    List<Digest> absent = new ArrayList<>();
    for (Digest digest : used) {
      if (!batch.use(digest.hashBytes(), epoch())) {
        absent.add(digest);
      }
    }
    return absent;
  }
}
