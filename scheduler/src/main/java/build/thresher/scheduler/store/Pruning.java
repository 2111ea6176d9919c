package build.thresher.scheduler.store;

import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.store.v1.FailureRecord;
import build.thresher.store.v1.HoldRecord;
import build.thresher.store.v1.RequestRecord;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/** Forgets history, in one batch: what has aged is found by the order in which it ended. */
final class Pruning {
  private final Rocks db;
  private final Keys keys;
  private final WriteBatch writes;
  private int removed;

  private Pruning(Rocks db, Keys keys, WriteBatch writes) {
    this.db = db;
    this.keys = keys;
    this.writes = writes;
  }

  /** Removes what ended before, and failures that have expired by now; returns how much. */
  static int run(Rocks db, Keys keys, Instant before, Instant now) throws IOException {
    int[] removed = {0};
    db.write(
        "forget old history",
        writes -> {
          Pruning pruning = new Pruning(db, keys, writes);
          pruning.history(before);
          pruning.failures(now);
          removed[0] = pruning.removed;
        });
    return removed[0];
  }

  private void history(Instant before) throws IOException {
    byte[] end = keys.agedBefore(before);
    db.scan(
        keys.all("aged"),
        (key, value) -> {
          if (Arrays.compareUnsigned(key, end) >= 0) {
            return false;
          }
          removed++;
          writes.delete(key);
          if (value.length > 0) {
            writes.delete(keys.execution(new String(value, StandardCharsets.UTF_8)));
          } else {
            request(Keys.lastPart(key));
          }
          return true;
        });
  }

  private void failures(Instant now) throws IOException {
    db.scan(
        keys.all("failure"),
        (key, value) -> {
          if (!Records.failure(FailureRecord.parseFrom(value)).expires().isAfter(now)) {
            removed++;
            writes.delete(key);
          }
          return true;
        });
  }

  private void request(String id) throws IOException, RocksDBException {
    byte[] record = db.get(keys.finished(id));
    if (record == null) {
      return;
    }
    RequestSnapshot was = Records.request(RequestRecord.parseFrom(record), ImmutableList.of());
    writes.delete(keys.finished(id));
    writes.delete(keys.listed(was.head().created(), id));
    for (String root : was.head().roots()) {
      latest(new TaskKey(was.head().instance(), root), id);
    }
    db.scan(
        keys.holds(id),
        (key, value) -> {
          HoldRecord hold = HoldRecord.parseFrom(value);
          writes.delete(key);
          if (hold.hasEnded()) {
            latest(Records.task(hold.getEnded()).key(), id);
          }
          return true;
        });
  }

  /** A later request may have had to do with the key since. */
  private void latest(TaskKey key, String request) throws IOException, RocksDBException {
    byte[] latest = db.get(keys.latest(key));
    if (latest != null && new String(latest, StandardCharsets.UTF_8).equals(request)) {
      writes.delete(keys.latest(key));
    }
  }
}
