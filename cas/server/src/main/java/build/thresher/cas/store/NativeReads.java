package build.thresher.cas.store;

import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;

/**
 * A bounded pool of platform threads for calls into RocksDB, which would pin the carriers of
 * virtual threads. A closed pool has no call running, so that the database can be closed after it.
 */
final class NativeReads implements AutoCloseable {
  private final ExecutorService threads;

  NativeReads(int count) {
    this.threads =
        Executors.newFixedThreadPool(
            count, Thread.ofPlatform().daemon().name("blob-reader-", 0).factory());
  }

  <T> T call(Callable<T> read) throws IOException {
    Future<T> result;
    try {
      result = threads.submit(read);
    } catch (RejectedExecutionException e) {
      throw new StoreUnavailableException("the store is closed", e);
    }
    try {
      return result.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException io) {
        throw io;
      }
      throw new IOException("reading the blob database failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while reading the blob database");
    }
  }

  @Override
  public void close() {
    Threads.end(threads);
  }
}
