package build.thresher.executor.sandbox;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Tells a running build to end, from any thread, at any time, once. A build that has not started
 * yet does not start.
 */
public final class KillSwitch {
  private final CompletableFuture<Void> killed = new CompletableFuture<>();

  /** Ends the build; returns at once. */
  public void kill() {
    killed.complete(null);
  }

  public boolean isKilled() {
    return killed.isDone();
  }

  /** Waits until killed, at most so long; true when killed. */
  public boolean await(long nanos) throws InterruptedException {
    try {
      killed.get(nanos, TimeUnit.NANOSECONDS);
      return true;
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      throw new IllegalStateException("it never fails", e);
    }
  }

  /** Has something done when killed, on a thread of its own; at once when that has been. */
  void whenKilled(Runnable action) {
    CompletableFuture<Void> unused =
        killed.thenRunAsync(action, command -> Thread.ofVirtual().start(command));
  }
}
