package build.thresher.cas.http;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Ends transfers whose reader takes nothing. A blocked write has no timeout of its own;
 * interrupting a virtual thread in a socket write closes the socket.
 *
 * <p>Threading: each transfer belongs to the thread that began it; one thread of the guard's own
 * looks at all of them.
 */
final class StallGuard implements AutoCloseable {
  private final long timeoutNanos;
  private final LongSupplier nanoTime;
  private final Set<Transfer> transfers = ConcurrentHashMap.newKeySet();
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("mirror-stall-guard").daemon().factory());

  StallGuard(Duration timeout, LongSupplier nanoTime) {
    this.timeoutNanos = timeout.toNanos();
    this.nanoTime = nanoTime;
    long period = Math.max(1, Math.min(timeout.toMillis() / 4, 1000));
    var unused = timer.scheduleWithFixedDelay(this::look, period, period, TimeUnit.MILLISECONDS);
  }

  /** Begins to watch the calling thread. */
  Transfer begin() {
    Transfer transfer = new Transfer(Thread.currentThread());
    transfers.add(transfer);
    return transfer;
  }

  private void look() {
    long now = nanoTime.getAsLong();
    transfers.removeIf(t -> !t.thread.isAlive()); // its connection ended before it did
    transfers.forEach(t -> t.interruptIfStalled(now));
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }

  /** One answer on its way. */
  final class Transfer implements AutoCloseable {
    private final Thread thread;
    private long progressNanos = nanoTime.getAsLong();
    private boolean done;

    private Transfer(Thread thread) {
      this.thread = thread;
    }

    synchronized void progress() {
      progressNanos = nanoTime.getAsLong();
    }

    private synchronized void interruptIfStalled(long now) {
      if (!done && now - progressNanos > timeoutNanos) {
        thread.interrupt();
      }
    }

    @Override
    public synchronized void close() {
      done = true;
      transfers.remove(this);
    }
  }
}
