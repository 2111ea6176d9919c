package build.thresher.cas.client;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;

/** Blocking work side by side, a bounded number at a time; the first failure stops the rest. */
public final class Parallel {
  private static final int TRANSFERS = 8;

  private Parallel() {}

  /** One of many transfers. */
  public interface Transfer {
    void run() throws IOException;
  }

  /** One of many pieces of work that give something. */
  public interface Work<T> {
    T run() throws IOException;
  }

  /** Returns when all are done. */
  public static void run(List<Transfer> transfers) throws IOException {
    run(TRANSFERS, transfers);
  }

  /** Returns when all are done. */
  public static void run(int atOnce, List<Transfer> transfers) throws IOException {
    if (transfers.size() == 1) {
      transfers.getFirst().run();
      return;
    }
    List<Work<Boolean>> all =
        transfers.stream()
            .map(
                transfer ->
                    (Work<Boolean>)
                        () -> {
                          transfer.run();
                          return true;
                        })
            .toList();
    run(atOnce, all, done -> {});
  }

  /**
   * Returns when all are done.
   *
   * @param done hears of each as it is done, in the caller's thread
   * @throws IOException as the first that failed
   */
  public static <T> void run(int atOnce, List<Work<T>> all, Consumer<T> done) throws IOException {
    try (ExecutorService executor =
        Executors.newFixedThreadPool(atOnce, Thread.ofVirtual().factory())) {
      CompletionService<T> running = new ExecutorCompletionService<>(executor);
      all.forEach(work -> running.submit(work::run));
      try {
        for (int i = 0; i < all.size(); i++) {
          done.accept(running.take().get());
        }
      } catch (ExecutionException e) {
        executor.shutdownNow();
        if (e.getCause() instanceof IOException io) {
          throw io;
        }
        if (e.getCause() instanceof RuntimeException runtime) {
          throw runtime;
        }
        throw new IOException("work side by side failed", e);
      } catch (InterruptedException e) {
        executor.shutdownNow();
        throw StoreErrors.interrupted(e);
      }
    }
  }
}
