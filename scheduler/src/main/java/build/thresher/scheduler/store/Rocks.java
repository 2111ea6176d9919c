package build.thresher.scheduler.store;

import build.thresher.cas.api.SyncedDirectories;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
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
 * when they are acknowledged, or with the next one that is. Its exceptions are IOExceptions to the
 * outside. RocksDB locks its directory, so one process has it at a time. Any thread; blocks, and
 * pins a virtual one.
 *
 * <p>After a write that failed RocksDB refuses all others, and {@link #mend} opens the database
 * again. That writes what the journal holds into new files, and syncs those, before anything is
 * acknowledged: what an earlier sync lost is not believed to be on disk because a later one went
 * well.
 */
final class Rocks implements AutoCloseable {
  static {
    RocksDB.loadLibrary();
  }

  /** A file is searched in vain once in a hundred times. */
  private static final double BLOOM_BITS = 10;

  private final Path directory;
  private final Options options;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final WriteOptions unsynced = new WriteOptions();

  /** Held by whoever uses the database, alone by whoever replaces it. */
  private final ReadWriteLock inUse = new ReentrantReadWriteLock();

  /** Null while it does not open. */
  private @Nullable RocksDB db;

  private volatile boolean failed;

  private Rocks(Path directory, Options options, RocksDB db) {
    this.directory = directory;
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
            .setKeepLogFileNum(4)
            // Most that is asked for is not there: whether a request has come before.
            .setTableFormatConfig(
                new BlockBasedTableConfig().setFilterPolicy(new BloomFilter(BLOOM_BITS)));
    try {
      return new Rocks(directory, options, RocksDB.open(options, directory.toString()));
    } catch (RocksDBException e) {
      options.close();
      throw doesNotOpen(directory, e);
    }
  }

  private static IOException doesNotOpen(Path directory, RocksDBException e) {
    return new IOException(
        "the task store in " + directory + " does not open: " + e.getMessage(), e);
  }

  /** Opens the database again where a write has failed since it was opened. */
  void mend() throws IOException {
    if (!failed) {
      return;
    }
    inUse.writeLock().lock();
    try {
      if (db != null) {
        db.close();
        db = null;
      }
      db = RocksDB.open(options, directory.toString());
      failed = false;
    } catch (RocksDBException e) {
      throw doesNotOpen(directory, e);
    } finally {
      inUse.writeLock().unlock();
    }
  }

  private interface Use<T> {
    T with(RocksDB db) throws IOException, RocksDBException;
  }

  private <T> T use(String what, Use<T> use) throws IOException {
    inUse.readLock().lock();
    try {
      if (db == null) {
        throw new IOException("the task store could not " + what + ": it is closed");
      }
      return use.with(db);
    } catch (RocksDBException e) {
      throw new IOException("the task store could not " + what + ": " + e.getMessage(), e);
    } finally {
      inUse.readLock().unlock();
    }
  }

  byte @Nullable [] get(byte[] key) throws IOException {
    return use("read", open -> Found.of(open.get(key))).value();
  }

  /** Puts writes into a batch. */
  interface Filler {
    void fill(WriteBatch writes) throws IOException, RocksDBException;
  }

  /**
   * Writes a batch: whole, or not at all, and on disk when this returns, with all before it.
   *
   * @param what is being done, for the message when it fails
   */
  void write(String what, Filler filler) throws IOException {
    write(synced, what, filler);
  }

  /** The same, on disk only when a later one is: the journal is synced up to its end. */
  void writeUnsynced(String what, Filler filler) throws IOException {
    write(unsynced, what, filler);
  }

  private void write(WriteOptions how, String what, Filler filler) throws IOException {
    use(
        what,
        open -> {
          try (WriteBatch writes = new WriteBatch()) {
            filler.fill(writes);
            return noteFailure(() -> open.write(how, writes));
          }
        });
  }

  /** What was written is on disk when this returns. */
  void sync() throws IOException {
    use("sync its journal", open -> noteFailure(open::syncWal));
  }

  private interface Write {
    void run() throws RocksDBException;
  }

  private boolean noteFailure(Write write) throws RocksDBException {
    try {
      write.run();
      return true;
    } catch (RocksDBException e) {
      failed = true;
      throw e;
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
    try {
      use("read", open -> visit(open, prefix, from, visitor));
    } catch (InvalidProtocolBufferException e) {
      throw new IOException("a record of the task store is damaged: " + e.getMessage(), e);
    }
  }

  private static int visit(RocksDB open, byte[] prefix, byte[] from, Visitor visitor)
      throws IOException, RocksDBException {
    byte[] end = prefix.clone();
    end[end.length - 1]++; // a separator is never the last byte value
    int visited = 0;
    try (Slice bound = new Slice(end);
        ReadOptions read = new ReadOptions().setIterateUpperBound(bound);
        RocksIterator it = open.newIterator(read)) {
      for (it.seek(from); it.isValid(); it.next()) {
        visited++;
        if (!visitor.visit(it.key(), it.value())) {
          break;
        }
      }
      it.status();
    }
    return visited;
  }

  @SuppressWarnings("ArrayRecordComponent") // read once, never compared
  private record Found(byte @Nullable [] value) {
    static Found of(byte @Nullable [] value) {
      return new Found(value);
    }
  }

  @Override
  public void close() {
    inUse.writeLock().lock();
    try {
      if (db != null) {
        db.close();
        db = null;
      }
    } finally {
      inUse.writeLock().unlock();
    }
    synced.close();
    unsynced.close();
    options.close();
  }
}
