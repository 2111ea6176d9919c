package build.thresher.executor.sandbox;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Tells a running build to end, from any thread, at any time, once. A build that has not started
 * yet does not start.
 */
public final class KillSwitch {
  private final CountDownLatch killed = new CountDownLatch(1);

  /** Ends the build; returns at once. */
  public void kill() {
    killed.countDown();
  }

  public boolean isKilled() {
    return killed.getCount() == 0;
  }

  /** Waits until killed, at most so long; true when killed. */
  public boolean await(long nanos) throws InterruptedException {
    return killed.await(nanos, TimeUnit.NANOSECONDS);
  }
}
