package build.thresher.cas.client;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Blocking transfers side by side, a bounded number at a time; the first failure stops the rest.
 */
public final class Parallel {
  private static final int TRANSFERS = 8;

  private Parallel() {}

  /** One of them. */
  public interface Transfer {
    void run() throws IOException;
  }

  /** Returns when all are done. */
  public static void run(List<Transfer> transfers) throws IOException {
    if (transfers.size() == 1) {
      transfers.getFirst().run();
      return;
    }
    try (ExecutorService executor =
        Executors.newFixedThreadPool(TRANSFERS, Thread.ofVirtual().factory())) {
      List<Future<?>> running = new ArrayList<>();
      for (Transfer transfer : transfers) {
        running.add(
            executor.submit(
                () -> {
                  transfer.run();
                  return null;
                }));
      }
      try {
        for (Future<?> one : running) {
          one.get();
        }
      } catch (ExecutionException e) {
        executor.shutdownNow();
        if (e.getCause() instanceof IOException io) {
          throw io;
        }
        if (e.getCause() instanceof RuntimeException runtime) {
          throw runtime;
        }
        throw new IOException("a transfer failed", e);
      } catch (InterruptedException e) {
        executor.shutdownNow();
        throw StoreErrors.interrupted(e);
      }
    }
  }
}
