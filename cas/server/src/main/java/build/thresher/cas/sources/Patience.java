package build.thresher.cas.sources;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * How long a caller waits for a fetch. The fetch itself goes on within the fetcher's own limits:
 * who asks again finds what it brought. Threading: a virtual thread for each fetch with a limit.
 */
final class Patience {
  private static final Duration LONGEST = Duration.ofDays(1);

  private Patience() {}

  /**
   * @param limit zero is none
   * @throws FetchException when the limit is over first
   */
  static <T> T within(Duration limit, Callable<T> fetch) throws IOException {
    if (limit.isNegative()) {
      throw new IllegalArgumentException("a timeout is not negative");
    }
    FutureTask<T> task = new FutureTask<>(fetch);
    try {
      if (limit.isZero() || limit.compareTo(LONGEST) > 0) {
        task.run();
        return task.get();
      }
      Thread.ofVirtual().name("fetch").start(task);
      return task.get(limit.toNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      throw new FetchException(
          FetchException.Reason.TOO_SLOW,
          "not fetched within " + limit.toMillis() + " ms; it goes on, so ask again later",
          e);
    } catch (ExecutionException e) {
      switch (Objects.requireNonNull(e.getCause())) {
        case IOException cause -> throw cause;
        case RuntimeException cause -> throw cause;
        default -> throw new IOException("the fetch failed", e);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while a fetch ran");
    }
  }
}
