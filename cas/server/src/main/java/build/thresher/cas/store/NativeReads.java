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
  }
}
