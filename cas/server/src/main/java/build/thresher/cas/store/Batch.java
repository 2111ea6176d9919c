package build.thresher.cas.store;

import build.thresher.cas.store.MetadataCodec.Hold;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/**
 * Changes of many writers on their way to one sync. Reads see what stands in the batch already: all
 * of it but values, which nobody reads here, is remembered beside it. Used by the committer's
 * thread alone, which is why "if absent" can be decided here.
 */
final class Batch implements AutoCloseable {
  private final Database database;
  final WriteBatch changes = new WriteBatch();

  private final Table metadata;
  private final Table holds;
  private final Table results;
  private long blobs;
  private long bytes;
  private long savedBlobs;
  private long savedBytes;

  Batch(Database database) {
    this.database = database;
    this.metadata = new Table(database.metadata);
    this.holds = new Table(database.holds);
    this.results = new Table(database.results);
  }

  /** A column family as it will be. */
  private final class Table {
    private final ColumnFamilyHandle family;

    /** By its key what stands in the batch, null where it is deleted there. */
    private final Map<ByteBuffer, byte @Nullable []> changed = new HashMap<>();

    private final Map<ByteBuffer, byte @Nullable []> changedSinceSaved = new HashMap<>();

    private Table(ColumnFamilyHandle family) {
      this.family = family;
    }

    byte @Nullable [] get(byte[] key) throws RocksDBException {
      ByteBuffer place = ByteBuffer.wrap(key);
      if (changedSinceSaved.containsKey(place)) {
        return changedSinceSaved.get(place);
      }
      return changed.containsKey(place) ? changed.get(place) : database.db.get(family, key);
    }

    void put(byte[] key, byte[] value) throws RocksDBException {
      changes.put(family, key, value);
      changedSinceSaved.put(ByteBuffer.wrap(key), value);
    }

    void delete(byte[] key) throws RocksDBException {
      changes.delete(family, key);
      changedSinceSaved.put(ByteBuffer.wrap(key), null);
    }

    void save() {
      changed.putAll(changedSinceSaved);
      changedSinceSaved.clear();
    }

    void rollBack() {
      changedSinceSaved.clear();
    }
  }

  long addedBlobs() {
    return blobs;
  }

  long addedBytes() {
    return bytes;
  }

  @Nullable BlobRecord record(byte[] key) throws IOException, RocksDBException {
    byte[] found = metadata.get(key);
    return found == null ? null : MetadataCodec.decodeRecord(found);
  }

  /** Adds a blob, or uses it if it is there. */
  void putIfAbsent(byte[] key, BlobRecord record, byte[] value)
      throws IOException, RocksDBException {
    if (!use(key, record.lastUseEpoch())) {
      metadata.put(key, MetadataCodec.encode(record));
      changes.put(database.values, key, value);
      blobs++;
      bytes += record.sizeBytes();
    }
  }

  /** Writes down that a blob is used; false when there is none. */
  boolean use(byte[] key, int epoch) throws IOException, RocksDBException {
    BlobRecord present = record(key);
    if (present != null && present.lastUseEpoch() < epoch) {
      metadata.put(key, MetadataCodec.encode(present.usedIn(epoch)));
    }
    return present != null;
  }

  void remove(byte[] key, BlobRecord record) throws RocksDBException {
    metadata.delete(key);
    changes.delete(database.values, key);
    blobs--;
    bytes -= record.sizeBytes();
  }

  Hold hold(byte[] key) throws IOException, RocksDBException {
    byte[] found = holds.get(key);
    return found == null ? Hold.NONE : MetadataCodec.decodeHold(found);
  }

  void setHold(byte[] key, Hold hold) throws RocksDBException {
    if (hold.equals(Hold.NONE)) {
      holds.delete(key);
    } else {
      holds.put(key, MetadataCodec.encode(hold));
    }
  }

  byte @Nullable [] result(byte[] key) throws RocksDBException {
    return results.get(key);
  }

  void putResult(byte[] key, byte[] value) throws RocksDBException {
    results.put(key, value);
  }

  void removeResult(byte[] key) throws RocksDBException {
    results.delete(key);
  }

  void putStatistics(byte[] key, byte[] value) throws RocksDBException {
    changes.put(database.statistics, key, value);
  }

  /** The point to which {@link #rollBack} returns. */
  void save() {
    changes.setSavePoint();
    metadata.save();
    holds.save();
    results.save();
    savedBlobs = blobs;
    savedBytes = bytes;
  }

  void rollBack() throws RocksDBException {
    changes.rollbackToSavePoint();
    metadata.rollBack();
    holds.rollBack();
    results.rollBack();
    blobs = savedBlobs;
    bytes = savedBytes;
  }

  @Override
  public void close() {
    changes.close();
  }
}
