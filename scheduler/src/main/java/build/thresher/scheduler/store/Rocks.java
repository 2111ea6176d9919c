package build.thresher.scheduler.store;

import build.thresher.cas.api.SyncedDirectories;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.rocksdb.CompressionType;
import org.rocksdb.Options;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;
import org.rocksdb.WALRecoveryMode;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * The task store's RocksDB: bytes by key, in the order of the keys, and batches that are on disk
 * when they are acknowledged. Its exceptions are IOExceptions to the outside. RocksDB locks its
 * directory, so one process has it at a time. Any thread; blocks, and pins a virtual one.
 */
final class Rocks implements AutoCloseable {
  static {
    RocksDB.loadLibrary();
  }

  private final Options options;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final RocksDB db;

  private Rocks(Options options, RocksDB db) {
    this.options = options;
    this.db = db;
  }

  /** Opens or makes it. */
  static Rocks at(Path directory) throws IOException {
    SyncedDirectories.create(directory);
    Options options =
        new Options()
            .setCreateIfMissing(true)
            .setCompressionType(CompressionType.LZ4_COMPRESSION)
            .setParanoidChecks(true)
            // A kill leaves a torn last record: everything acknowledged lies before it.
            .setWalRecoveryMode(WALRecoveryMode.PointInTimeRecovery)
            .setWriteBufferSize(16L << 20)
            .setMaxTotalWalSize(64L << 20)
            .setKeepLogFileNum(4);
    try {
      return new Rocks(options, RocksDB.open(options, directory.toString()));
    } catch (RocksDBException e) {
      options.close();
      throw new IOException(
          "the task store in " + directory + " does not open: " + e.getMessage(), e);
    }
  }

  byte @Nullable [] get(byte[] key) throws IOException {
    try {
      return db.get(key);
    } catch (RocksDBException e) {
      throw failed("read", e);
    }
  }

  /** Puts writes into a batch. */
  interface Filler {
    void fill(WriteBatch writes) throws IOException, RocksDBException;
  }

  /**
   * Writes a batch: whole, or not at all, and on disk when this returns.
   *
   * @param what is being done, for the message when it fails
   */
  void write(String what, Filler filler) throws IOException {
    try (WriteBatch writes = new WriteBatch()) {
      filler.fill(writes);
      db.write(synced, writes);
    } catch (RocksDBException e) {
      throw failed(what, e);
    }
  }

  /** Reads one record; false ends the scan. */
  interface Visitor {
    boolean visit(byte[] key, byte[] value) throws IOException, RocksDBException;
  }

  /** Everything whose key begins with these bytes, which end in a separator. */
  void scan(byte[] prefix, Visitor visitor) throws IOException {
    scan(prefix, prefix, visitor);
  }

  /**
   * @param from key to begin at
   */
  void scan(byte[] prefix, byte[] from, Visitor visitor) throws IOException {
    byte[] end = prefix.clone();
    end[end.length - 1]++; // a separator is never the last byte value
    try (Slice bound = new Slice(end);
        ReadOptions read = new ReadOptions().setIterateUpperBound(bound);
        RocksIterator it = db.newIterator(read)) {
      for (it.seek(from); it.isValid(); it.next()) {
        if (!visitor.visit(it.key(), it.value())) {
          break;
        }
      }
      it.status();
    } catch (RocksDBException e) {
      throw failed("read", e);
    } catch (InvalidProtocolBufferException e) {
      throw new IOException("a record of the task store is damaged: " + e.getMessage(), e);
    }
  }

  private static IOException failed(String what, RocksDBException e) {
    return new IOException("the task store could not " + what + ": " + e.getMessage(), e);
  }

  @Override
  public void close() {
    db.close();
    synced.close();
    options.close();
  }
}
