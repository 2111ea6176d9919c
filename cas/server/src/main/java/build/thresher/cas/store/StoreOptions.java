package build.thresher.cas.store;

/**
 * What a site may choose about a store.
 *
 * @param largeBlobBytes blobs of at least this size become files; smaller ones live in RocksDB
 * @param reserveBytes writes are refused while the file system has less room than this
 * @param readThreads threads that ask RocksDB; its calls would pin virtual threads
 * @param blockCacheBytes memory for RocksDB's block cache
 */
public record StoreOptions(
    int largeBlobBytes, long reserveBytes, int readThreads, long blockCacheBytes) {

  /** The border is measured: see docs/adr/0002-blobs-in-rocksdb-and-files.md. */
  public static final StoreOptions DEFAULTS = new StoreOptions(256 << 10, 1L << 30, 8, 32L << 20);

  public StoreOptions {
    if (largeBlobBytes < 1 || largeBlobBytes > 16 << 20) {
      throw new IllegalArgumentException(
          "the border between small and large blobs must be 1 byte to 16 MiB, not "
              + largeBlobBytes);
    }
    if (readThreads < 1) {
      throw new IllegalArgumentException("a store needs at least one read thread");
    }
  }

  StoreOptions withLargeBlobBytes(int bytes) {
    return new StoreOptions(bytes, reserveBytes, readThreads, blockCacheBytes);
  }

  StoreOptions withReserveBytes(long bytes) {
    return new StoreOptions(largeBlobBytes, bytes, readThreads, blockCacheBytes);
  }
}
