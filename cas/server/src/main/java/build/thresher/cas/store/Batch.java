package build.thresher.cas.store;

import build.thresher.cas.store.MetadataCodec.Hold;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatchWithIndex;

/**
 * Changes of many writers on their way to one sync. Reads see what stands in the batch already.
 * Used by the committer's thread alone, which is why "if absent" can be decided here.
 */
final class Batch implements AutoCloseable {
  private final Database database;
  private final ReadOptions readOptions = new ReadOptions();
  final WriteBatchWithIndex changes = new WriteBatchWithIndex(true);
  private long blobs;
  private long bytes;
  private long savedBlobs;
  private long savedBytes;

  Batch(Database database) {
    this.database = database;
  }

  long addedBlobs() {
    return blobs;
  }

  long addedBytes() {
    return bytes;
  }

  @Nullable BlobRecord record(byte[] key) throws IOException, RocksDBException {
    byte[] found = get(database.metadata, key);
    return found == null ? null : MetadataCodec.decodeRecord(found);
  }

  /** Adds a blob, or uses it if it is there. */
  void putIfAbsent(byte[] key, BlobRecord record, byte[] value)
      throws IOException, RocksDBException {
    if (!use(key, record.lastUseEpoch())) {
      changes.put(database.metadata, key, MetadataCodec.encode(record));
      changes.put(database.values, key, value);
      blobs++;
      bytes += record.sizeBytes();
    }
  }

  /** Writes down that a blob is used; false when there is none. */
  boolean use(byte[] key, int epoch) throws IOException, RocksDBException {
    BlobRecord present = record(key);
    if (present != null && present.lastUseEpoch() < epoch) {
      changes.put(database.metadata, key, MetadataCodec.encode(present.usedIn(epoch)));
    }
    return present != null;
  }

  void remove(byte[] key, BlobRecord record) throws RocksDBException {
    changes.delete(database.metadata, key);
    changes.delete(database.values, key);
    blobs--;
    bytes -= record.sizeBytes();
  }

  Hold hold(byte[] key) throws IOException, RocksDBException {
    byte[] found = get(database.holds, key);
    return found == null ? Hold.NONE : MetadataCodec.decodeHold(found);
  }

  void setHold(byte[] key, Hold hold) throws RocksDBException {
    if (hold.equals(Hold.NONE)) {
      changes.delete(database.holds, key);
    } else {
      changes.put(database.holds, key, MetadataCodec.encode(hold));
    }
  }

  byte @Nullable [] result(byte[] key) throws RocksDBException {
    return get(database.results, key);
  }

  void putResult(byte[] key, byte[] value) throws RocksDBException {
    changes.put(database.results, key, value);
  }

  void removeResult(byte[] key) throws RocksDBException {
    changes.delete(database.results, key);
  }

  void putStatistics(byte[] key, byte[] value) throws RocksDBException {
    changes.put(database.statistics, key, value);
  }

  private byte @Nullable [] get(ColumnFamilyHandle family, byte[] key) throws RocksDBException {
    return changes.getFromBatchAndDB(database.db, family, readOptions, key);
  }

  /** The point to which {@link #rollBack} returns. */
  void save() {
    changes.setSavePoint();
    savedBlobs = blobs;
    savedBytes = bytes;
  }

  void rollBack() throws RocksDBException {
    changes.rollbackToSavePoint();
    blobs = savedBlobs;
    bytes = savedBytes;
  }

  @Override
  public void close() {
    changes.close();
    readOptions.close();
  }
}
