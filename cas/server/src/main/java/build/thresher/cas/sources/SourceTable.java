package build.thresher.cas.sources;

import build.thresher.cas.api.SyncedDirectories;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * Keys and values in a RocksDB of their own; a change is on disk when the call returns. Threading:
 * any thread; RocksDB is called on a platform thread.
 */
final class SourceTable implements AutoCloseable {
  private final Options options;
  private final RocksDB db;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().name("sources-db").daemon().factory());

  private SourceTable(Options options, RocksDB db) {
    this.options = options;
    this.db = db;
  }

  static SourceTable open(Path dir) throws IOException {
    SyncedDirectories.create(dir);
    RocksDB.loadLibrary();
    Options options = new Options().setCreateIfMissing(true).setKeepLogFileNum(3);
    try {
      return new SourceTable(options, RocksDB.open(options, dir.toString()));
    } catch (RocksDBException e) {
      options.close();
      throw new IOException("cannot open the database of sources " + dir, e);
    }
  }

  /** A row; in a change, null removes it. */
  @SuppressWarnings("ArrayRecordComponent") // carries bytes across threads, never compared
  record Row(byte[] key, byte @Nullable [] value) {}

  byte @Nullable [] get(byte[] key) throws IOException {
    return call(() -> new Row(key, db.get(key))).value();
  }

  /** All of them or none. */
  void write(List<Row> changes) throws IOException {
    call(
        () -> {
          try (WriteBatch batch = new WriteBatch()) {
            for (Row row : changes) {
              if (row.value() == null) {
                batch.delete(row.key());
              } else {
                batch.put(row.key(), row.value());
              }
            }
            db.write(synced, batch);
          }
          return true;
        });
  }

  /** The next rows after a key, as long as they begin with the prefix. */
  List<Row> page(byte[] prefix, byte[] after, int most) throws IOException {
    return call(
        () -> {
          List<Row> rows = new ArrayList<>();
          try (RocksIterator i = db.newIterator()) {
            for (i.seek(after); i.isValid() && rows.size() < most; i.next()) {
              if (!startsWith(i.key(), prefix)) {
                break;
              }
              if (!Arrays.equals(i.key(), after)) {
                rows.add(new Row(i.key(), i.value()));
              }
            }
            i.status();
          }
          return rows;
        });
  }

  private static boolean startsWith(byte[] key, byte[] prefix) {
    return key.length >= prefix.length
        && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
  }

  @Override
  public void close() {
    thread.close();
    db.close();
    synced.close();
    options.close();
  }

  private <T> T call(Callable<T> work) throws IOException {
    try {
      return thread.submit(work).get();
    } catch (ExecutionException e) {
      throw new IOException("the database of sources failed", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted at the database of sources");
    }
  }
}
