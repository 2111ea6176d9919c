package build.thresher.cas.sources;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.SyncedDirectories;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteOptions;

/**
 * The sizes of sources, by SHA-256: recipes name a source by its hash alone, the store wants the
 * size too; and which trees archives unpack to. Losing an entry costs one fetch or unpacking.
 * Threading: any thread; RocksDB is called on a platform thread.
 */
final class KnownSources implements AutoCloseable {
  private final Options options;
  private final RocksDB db;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().name("sources-db").daemon().factory());

  private KnownSources(Options options, RocksDB db) {
    this.options = options;
    this.db = db;
  }

  static KnownSources open(Path dir) throws IOException {
    SyncedDirectories.create(dir);
    RocksDB.loadLibrary();
    Options options = new Options().setCreateIfMissing(true).setKeepLogFileNum(3);
    try {
      return new KnownSources(options, RocksDB.open(options, dir.toString()));
    } catch (RocksDBException e) {
      options.close();
      throw new IOException("cannot open the database of sources " + dir, e);
    }
  }

  /**
   * @param sha256 digest of size 0
   */
  @Nullable Digest find(Digest sha256) throws IOException {
    byte[] size = call(() -> new Value(db.get(sha256.hashBytes()))).bytes();
    return size == null
        ? null
        : Digest.fromHash(sha256.hashBytes(), ByteBuffer.wrap(size).getLong());
  }

  void add(Digest source) throws IOException {
    put(source.hashBytes(), ByteBuffer.allocate(Long.BYTES).putLong(source.sizeBytes()).array());
  }

  /** The source that once fitted checksums without a SHA-256 among them. */
  @Nullable Digest find(Checksums checksums) throws IOException {
    return digest(key(checksums));
  }

  void add(Checksums checksums, Digest source) throws IOException {
    put(key(checksums), source);
  }

  /** The root directory of what was once unpacked from a directory of an archive. */
  @Nullable Digest findTree(Digest archive, String directory) throws IOException {
    return digest(key(archive, directory));
  }

  void addTree(Digest archive, String directory, Digest root) throws IOException {
    put(key(archive, directory), root);
  }

  private @Nullable Digest digest(byte[] key) throws IOException {
    byte[] found = call(() -> new Value(db.get(key))).bytes();
    if (found == null) {
      return null;
    }
    ByteBuffer in = ByteBuffer.wrap(found);
    byte[] hash = new byte[Digest.HASH_BYTES];
    in.get(hash);
    return Digest.fromHash(hash, in.getLong());
  }

  private void put(byte[] key, Digest digest) throws IOException {
    put(
        key,
        ByteBuffer.allocate(Digest.HASH_BYTES + Long.BYTES)
            .put(digest.hashBytes())
            .putLong(digest.sizeBytes())
            .array());
  }

  /** Longer than the key of a SHA-256, as the next. */
  private static byte[] key(Checksums checksums) {
    return ("checksums " + checksums).getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] key(Digest archive, String directory) {
    return ("tree " + archive.hex() + " " + archive.sizeBytes() + " " + directory)
        .getBytes(StandardCharsets.UTF_8);
  }

  private void put(byte[] key, byte[] value) throws IOException {
    call(
        () -> {
          db.put(synced, key, value);
          return true;
        });
  }

  @Override
  public void close() {
    thread.close();
    db.close();
    synced.close();
    options.close();
  }

  @SuppressWarnings("ArrayRecordComponent") // carries a value across threads
  private record Value(byte @Nullable [] bytes) {}

  private <T> T call(Callable<T> work) throws IOException {
    try {
      return thread.submit(work).get();
    } catch (ExecutionException e) {
      throw new IOException("the database of sources failed", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("interrupted at the database of sources");
    }
  }
}
