package build.thresher.cas.store;

import build.thresher.cas.api.SyncedDirectories;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.DBOptions;
import org.rocksdb.IndexType;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksObject;
import org.rocksdb.WALRecoveryMode;

/**
 * The RocksDB of a store with its column families: {@code metadata} (hash → {@link BlobRecord}),
 * {@code values} (hash → checksums, and the bytes of inline blobs), {@code holds} (leases and
 * pins), {@code results} (see {@link ResultTable}), and the default one for the statistics.
 */
final class Database implements AutoCloseable {
  /**
   * The part of RocksDB's blob files, oldest first, whose living values a compaction moves: none,
   * for keys are random and each compaction would meet them all. {@link Compaction} moves them when
   * that is worth it.
   */
  static final double BLOB_AGE_CUTOFF = 0;

  /** Of the block cache, kept for filters and indices, which values would push out. */
  private static final double FOR_FILTERS = 0.5;

  /**
   * RocksDB's own choice is 64 shards, none of which has room for the filter of a large table that
   * was written before filters had parts.
   */
  private static final int CACHE_SHARD_BITS = 3;

  private static final double FILTER_OF_MEMTABLE = 0.1;

  final RocksDB db;
  final ColumnFamilyHandle statistics;
  final ColumnFamilyHandle metadata;
  final ColumnFamilyHandle values;
  final ColumnFamilyHandle holds;
  final ColumnFamilyHandle results;
  private final List<RocksObject> owned;

  private Database(RocksDB db, List<ColumnFamilyHandle> families, List<RocksObject> owned) {
    this.db = db;
    this.statistics = families.get(0);
    this.metadata = families.get(1);
    this.values = families.get(2);
    this.holds = families.get(3);
    this.results = families.get(4);
    this.owned = owned;
  }

  static Database open(Path dir, StoreOptions options) throws IOException {
    RocksDB.loadLibrary();
    List<RocksObject> owned = new ArrayList<>();
    Cache cache =
        own(owned, new LRUCache(options.blockCacheBytes(), CACHE_SHARD_BITS, false, FOR_FILTERS));
    BloomFilter bloom = own(owned, new BloomFilter(10));
    BlockBasedTableConfig table =
        new BlockBasedTableConfig()
            .setFilterPolicy(bloom)
            .setBlockCache(cache)
            .setCacheIndexAndFilterBlocks(true)
            .setCacheIndexAndFilterBlocksWithHighPriority(true)
            // A table of a million blobs has a filter of 1.3 MB: what the cache lacks of it is read
            // in parts of 4 KiB, where each question would read it whole.
            .setIndexType(IndexType.kTwoLevelIndexSearch)
            .setPartitionFilters(true)
            .setPinTopLevelIndexAndFilter(true)
            .setWholeKeyFiltering(true);
    ColumnFamilyOptions small = own(owned, new ColumnFamilyOptions().setTableFormatConfig(table));
    small.setWriteBufferSize(16L << 20);
    // Half of what existence checks ask for is not there: a filter says so before the list is
    // searched.
    small.setMemtablePrefixBloomSizeRatio(FILTER_OF_MEMTABLE);
    small.setMemtableWholeKeyFiltering(true);
    // Values of 1 KiB and more go to RocksDB's own blob files: compaction moves keys, not bytes.
    // Each costs some hundred bytes more there, so smaller ones stay with their keys.
    ColumnFamilyOptions large = own(owned, new ColumnFamilyOptions().setTableFormatConfig(table));
    large.setWriteBufferSize(32L << 20);
    large.setMemtablePrefixBloomSizeRatio(FILTER_OF_MEMTABLE);
    large.setMemtableWholeKeyFiltering(true);
    large.setEnableBlobFiles(true);
    large.setMinBlobSize(1 << 10);
    large.setEnableBlobGarbageCollection(true);
    large.setBlobGarbageCollectionAgeCutoff(BLOB_AGE_CUTOFF);
    DBOptions db =
        own(
            owned,
            new DBOptions()
                .setCreateIfMissing(true)
                .setCreateMissingColumnFamilies(true)
                .setParanoidChecks(true)
                // A kill leaves a torn tail: that is no corruption, and none of it was
                // acknowledged.
                .setWalRecoveryMode(WALRecoveryMode.PointInTimeRecovery)
                .setRecycleLogFileNum(0)
                .setMaxTotalWalSize(256L << 20)
                .setMaxBackgroundJobs(4)
                .setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
                .setMaxLogFileSize(4L << 20)
                .setKeepLogFileNum(4));
    List<ColumnFamilyDescriptor> descriptors =
        List.of(
            new ColumnFamilyDescriptor(RocksDB.DEFAULT_COLUMN_FAMILY, small),
            new ColumnFamilyDescriptor("metadata".getBytes(StandardCharsets.UTF_8), small),
            new ColumnFamilyDescriptor("values".getBytes(StandardCharsets.UTF_8), large),
            new ColumnFamilyDescriptor("holds".getBytes(StandardCharsets.UTF_8), small),
            new ColumnFamilyDescriptor("results".getBytes(StandardCharsets.UTF_8), small));
    List<ColumnFamilyHandle> handles = new ArrayList<>();
    try {
      SyncedDirectories.create(dir);
      return new Database(RocksDB.open(db, dir.toString(), descriptors, handles), handles, owned);
    } catch (RocksDBException e) {
      closeAll(owned);
      throw new IOException("the blob database in " + dir + " does not open: " + e.getMessage(), e);
    }
  }

  /**
   * Of values that were deleted and that compactions have met since, but whose room is not free.
   */
  long deadValueBytes() throws IOException {
    try {
      return db.getLongProperty(values, "rocksdb.live-blob-file-garbage-size");
    } catch (RocksDBException e) {
      throw new IOException("the size of deleted values cannot be asked for", e);
    }
  }

  /** Of the values on disk, dead ones included. */
  long valueBytes() throws RocksDBException {
    return db.getLongProperty(values, "rocksdb.total-sst-files-size")
        + db.getLongProperty(values, "rocksdb.total-blob-file-size");
  }

  private static <T extends RocksObject> T own(List<RocksObject> owned, T object) {
    owned.add(object);
    return object;
  }

  @Override
  public void close() {
    for (ColumnFamilyHandle handle : List.of(statistics, metadata, values, holds, results)) {
      handle.close();
    }
    db.close();
    closeAll(owned);
  }

  private static void closeAll(List<RocksObject> owned) {
    owned.reversed().forEach(RocksObject::close);
  }
}
