package build.thresher.cas.store;

import java.time.Duration;

/**
 * What a site may choose about a store.
 *
 * @param largeBlobBytes blobs of at least this size become files; smaller ones live in RocksDB
 * @param reserveBytes writes are refused while the file system has less room than this
 * @param maxBytes sum of the blobs' sizes; what was used least recently is evicted to stay below
 * @param lifetime a blob that was reported as present is kept for at least this long from then on
 * @param scrubBytesPerSecond how fast blobs are read to find damage; 0: not at all
 * @param readThreads threads that ask RocksDB; its calls would pin virtual threads
 * @param blockCacheBytes memory for RocksDB's block cache
 * @param direct large blobs go past the page cache, where the file system can do that
 */
public record StoreOptions(
    int largeBlobBytes,
    long reserveBytes,
    long maxBytes,
    Duration lifetime,
    long scrubBytesPerSecond,
    int readThreads,
    long blockCacheBytes,
    boolean direct) {

  /** The border is measured: see docs/adr/0002-blobs-in-rocksdb-and-files.md. */
  public static final StoreOptions DEFAULTS =
      new StoreOptions(
          256 << 10, 1L << 30, Long.MAX_VALUE, Duration.ofHours(6), 4L << 20, 8, 32L << 20, true);

  public StoreOptions {
    if (largeBlobBytes < 1 || largeBlobBytes > 16 << 20) {
      throw new IllegalArgumentException(
          "the border between small and large blobs must be 1 byte to 16 MiB, not "
              + largeBlobBytes);
    }
    if (readThreads < 1) {
      throw new IllegalArgumentException("a store needs at least one read thread");
    }
    if (maxBytes < 1 || lifetime.isNegative() || scrubBytesPerSecond < 0) {
      throw new IllegalArgumentException(
          "a store needs a size, a lifetime and a rate of scrubbing above nothing");
    }
  }

  public StoreOptions withLargeBlobBytes(int bytes) {
    return new StoreOptions(
        bytes,
        reserveBytes,
        maxBytes,
        lifetime,
        scrubBytesPerSecond,
        readThreads,
        blockCacheBytes,
        direct);
  }

  public StoreOptions withReserveBytes(long bytes) {
    return new StoreOptions(
        largeBlobBytes,
        bytes,
        maxBytes,
        lifetime,
        scrubBytesPerSecond,
        readThreads,
        blockCacheBytes,
        direct);
  }

  public StoreOptions withMaxBytes(long bytes) {
    return new StoreOptions(
        largeBlobBytes,
        reserveBytes,
        bytes,
        lifetime,
        scrubBytesPerSecond,
        readThreads,
        blockCacheBytes,
        direct);
  }

  public StoreOptions withLifetime(Duration guaranteed) {
    return new StoreOptions(
        largeBlobBytes,
        reserveBytes,
        maxBytes,
        guaranteed,
        scrubBytesPerSecond,
        readThreads,
        blockCacheBytes,
        direct);
  }

  public StoreOptions withScrubBytesPerSecond(long bytes) {
    return new StoreOptions(
        largeBlobBytes,
        reserveBytes,
        maxBytes,
        lifetime,
        bytes,
        readThreads,
        blockCacheBytes,
        direct);
  }

  public StoreOptions withBlockCacheBytes(long bytes) {
    return new StoreOptions(
        largeBlobBytes,
        reserveBytes,
        maxBytes,
        lifetime,
        scrubBytesPerSecond,
        readThreads,
        bytes,
        direct);
  }

  public StoreOptions withDirect(boolean past) {
    return new StoreOptions(
        largeBlobBytes,
        reserveBytes,
        maxBytes,
        lifetime,
        scrubBytesPerSecond,
        readThreads,
        blockCacheBytes,
        past);
  }
}
