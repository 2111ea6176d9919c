package build.thresher.cas.store;

import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ReadOptions;
import org.rocksdb.ReadTier;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;

/**
 * Reads of RocksDB. What it has in memory is looked up by the caller, which costs less than to wake
 * somebody; what may wait for the disk is read by a bounded pool of platform threads, because it
 * would pin the carriers of virtual threads. When closed, no call runs, so that the database can be
 * closed after it. Any thread.
 */
final class NativeReads implements AutoCloseable {
  private final RocksDB db;
  private final ReadOptions inMemory = new ReadOptions().setReadTier(ReadTier.BLOCK_CACHE_TIER);
  private final ExecutorService threads;

  /** Shared by those who look into memory themselves; whoever closes has it alone. */
  private final ReadWriteLock inUse = new ReentrantReadWriteLock();

  private boolean closed;

  NativeReads(RocksDB db, int count) {
    this.db = db;
    this.threads =
        Executors.newFixedThreadPool(
            count, Thread.ofPlatform().daemon().name("blob-reader-", 0).factory());
  }

  /** One value, or null where there is none. */
  byte @Nullable [] get(ColumnFamilyHandle family, byte[] key) throws IOException {
    List<byte @Nullable []> found = getFromMemory(family, List.of(key));
    return found == null
        ? this.<byte @Nullable []>call(() -> db.get(family, key))
        : found.getFirst();
  }

  /** Their values, null where there is none; null for all when one may be on disk only. */
  @Nullable List<byte @Nullable []> getFromMemory(ColumnFamilyHandle family, List<byte[]> keys)
      throws IOException {
    inUse.readLock().lock();
    try {
      if (closed) {
        throw new StoreUnavailableException("the store is closed", null);
      }
      List<byte @Nullable []> values = new ArrayList<>(keys.size());
      for (byte[] key : keys) {
        values.add(db.get(family, inMemory, key));
      }
      return values;
    } catch (RocksDBException e) {
      return null; // It says "incomplete"; of any other trouble those who read the disk are told.
    } finally {
      inUse.readLock().unlock();
    }
  }

  <T> T call(Callable<T> read) throws IOException {
    return await(submit(read));
  }

  /** Several at once; their results in the order of the calls. */
  <T> List<T> callAll(List<Callable<T>> reads) throws IOException {
    List<Future<T>> running = new ArrayList<>(reads.size());
    for (Callable<T> read : reads) {
      running.add(submit(read));
    }
    List<T> results = new ArrayList<>(reads.size());
    for (Future<T> one : running) {
      results.add(await(one));
    }
    return results;
  }

  private <T> Future<T> submit(Callable<T> read) throws IOException {
    try {
      return threads.submit(read);
    } catch (RejectedExecutionException e) {
      throw new StoreUnavailableException("the store is closed", e);
    }
  }

  private static <T> T await(Future<T> result) throws IOException {
    try {
      return result.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException io) {
        throw io;
      }
      throw new IOException("reading the blob database failed: " + e.getCause(), e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while reading the blob database");
    }
  }

  @Override
  public void close() {
    Threads.end(threads);
    inUse.writeLock().lock();
    try {
      closed = true;
      inMemory.close();
    } finally {
      inUse.writeLock().unlock();
    }
  }
}
