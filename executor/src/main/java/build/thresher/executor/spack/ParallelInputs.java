package build.thresher.executor.spack;

import build.thresher.executor.sandbox.KillSwitch;
import com.google.common.base.Throwables;
import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Takes many inputs at once: all of them, in the order asked, or none. Stateless. */
final class ParallelInputs {
  private static final long LOOK_MILLIS = 100;

  private ParallelInputs() {}

  /**
   * Runs all tasks, each on a thread of its own; how much of their work goes on at once is theirs
   * to bound.
   *
   * @throws IOException the first failure, or that the build was killed meanwhile; what was taken
   *     is closed
   */
  static <T extends Closeable> List<T> take(List<Callable<T>> tasks, KillSwitch kill)
      throws IOException, InterruptedException {
    List<Future<T>> futures = new ArrayList<>();
    List<T> taken = new ArrayList<>();
    boolean done = false;
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      try {
        tasks.forEach(task -> futures.add(threads.submit(task)));
        for (Future<T> future : futures) {
          taken.add(await(future, kill));
        }
        done = true;
        return taken;
      } finally {
        if (!done) {
          threads.shutdownNow();
        }
      }
    } finally {
      if (!done) {
        closeAll(futures);
      }
    }
  }

  private static <T> T await(Future<T> future, KillSwitch kill)
      throws IOException, InterruptedException {
    while (true) {
      try {
        return future.get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        if (kill.isKilled()) {
          throw new IOException("killed while its inputs were fetched", e);
        }
      } catch (ExecutionException e) {
        Throwable cause = Objects.requireNonNullElse(e.getCause(), e);
        Throwables.throwIfInstanceOf(cause, IOException.class);
        Throwables.throwIfInstanceOf(cause, InterruptedException.class);
        Throwables.throwIfUnchecked(cause);
        throw new IOException("cannot fetch an input", cause);
      }
    }
  }

  /** All threads have ended. */
  private static <T extends Closeable> void closeAll(List<Future<T>> futures) throws IOException {
    for (Future<T> future : futures) {
      if (future.state() == Future.State.SUCCESS) {
        future.resultNow().close();
      }
    }
  }
}
