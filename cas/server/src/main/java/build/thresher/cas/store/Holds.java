package build.thresher.cas.store;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.store.MetadataCodec.Hold;
import com.google.common.collect.Multiset;
import java.io.IOException;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;

/** Leases and pins: what keeps a blob however little it is used. Durable on return. */
final class Holds {
  private final GroupCommitter committer;
  private final Database database;

  Holds(GroupCommitter committer, Database database) {
    this.committer = committer;
    this.database = database;
  }

  void lease(Collection<Digest> digests, Instant until) throws IOException {
    long millis = until.toEpochMilli();
    change(digests, hold -> new Hold(Math.max(hold.leasedUntilMillis(), millis), hold.pins()));
  }

  void pin(Collection<Digest> digests) throws IOException {
    change(digests, hold -> new Hold(hold.leasedUntilMillis(), hold.pins() + 1));
  }

  void unpin(Collection<Digest> digests) throws IOException {
    change(
        digests,
        hold -> {
          if (hold.pins() == 0) {
            throw new IllegalStateException("a blob was unpinned more often than it was pinned");
          }
          return new Hold(hold.leasedUntilMillis(), hold.pins() - 1);
        });
  }

  /**
   * Takes away what pins a blob more often than it is named. Nobody may pin or unpin meanwhile.
   *
   * @param named blobs by their hash alone
   * @return how many blobs had such pins
   */
  int dropPinsBeyond(Multiset<Digest> named) throws IOException {
    Map<Digest, Integer> surplus = new HashMap<>();
    try (ReadOptions options = new ReadOptions().setFillCache(false);
        RocksIterator holds = database.db.newIterator(database.holds, options)) {
      for (holds.seekToFirst(); holds.isValid(); holds.next()) {
        Digest name = Digest.fromHash(holds.key(), 0);
        if (MetadataCodec.decodeHold(holds.value()).pins() > named.count(name)) {
          surplus.put(name, named.count(name));
        }
      }
      holds.status();
    } catch (RocksDBException e) {
      throw new IOException("what holds blobs cannot be read", e);
    }
    committer.run(
        0,
        batch -> {
          for (Map.Entry<Digest, Integer> each : surplus.entrySet()) {
            byte[] key = each.getKey().hashBytes();
            batch.setHold(key, new Hold(batch.hold(key).leasedUntilMillis(), each.getValue()));
          }
        });
    return surplus.size();
  }

  private interface Change {
    Hold change(Hold hold);
  }

  private void change(Collection<Digest> digests, Change change) throws IOException {
    committer.run(
        0,
        batch -> {
          for (Digest digest : digests) {
            if (digest.equals(Digest.EMPTY)) {
              continue;
            }
            byte[] key = digest.hashBytes();
            BlobRecord record = batch.record(key);
            if (record == null || record.sizeBytes() != digest.sizeBytes()) {
              throw new BlobNotFoundException(digest);
            }
            Hold before = batch.hold(key);
            Hold after = change.change(before);
            if (!after.equals(before)) {
              batch.setHold(key, after);
            }
          }
        });
  }
}
