package build.thresher.deploy;

import java.util.concurrent.CountDownLatch;

/**
 * Lets a command wait for SIGTERM or SIGINT and finish its work before the process ends: the hook
 * asks, and then waits until {@link #done}.
 */
final class ShutdownSignal {
  private final CountDownLatch asked = new CountDownLatch(1);
  private final CountDownLatch done = new CountDownLatch(1);

  ShutdownSignal() {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  asked.countDown();
                  try {
                    done.await();
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                },
                "shutdown"));
  }

  /** Returns when the process is asked to end. */
  void await() throws InterruptedException {
    asked.await();
  }

  /** Lets the process end. */
  void done() {
    done.countDown();
  }
}
