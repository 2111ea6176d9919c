package build.thresher.deploy.load;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;

/** Many calls at once, and how long all of them took. */
final class Work {
  private Work() {}

  /** One call of many. */
  interface Call {
    void run(int index) throws Exception;
  }

  /**
   * Runs calls 0 to {@code count - 1}, so many at a time.
   *
   * @return seconds from the first's begin to the last's end
   */
  static double seconds(int count, int atOnce, Call call) throws Exception {
    Semaphore room = new Semaphore(atOnce);
    long start = System.nanoTime();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        int index = i;
        room.acquire();
        running.add(
            threads.submit(
                (Callable<?>)
                    () -> {
                      try {
                        call.run(index);
                        return index;
                      } finally {
                        room.release();
                      }
                    }));
      }
      for (Future<?> one : running) {
        one.get();
      }
    } catch (ExecutionException e) {
      throw e.getCause() instanceof Exception cause ? cause : e;
    }
    return (System.nanoTime() - start) / 1e9;
  }
}
