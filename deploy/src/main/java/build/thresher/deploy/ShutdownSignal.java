package build.thresher.deploy;

import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets a command wait for SIGTERM or SIGINT and finish its work before the process ends: the hook
 * asks, and then waits until {@link #done}. Whatever comes between the two belongs into a {@code
 * try} that calls it {@code finally}: without it the process never ends.
 */
final class ShutdownSignal {
  private static final Logger log = LoggerFactory.getLogger(ShutdownSignal.class);

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
    log.info("asked to end; what is at hand is finished first");
  }

  /** Lets the process end. */
  void done() {
    done.countDown();
  }
}
