package build.thresher.scheduler.shell;

import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.ServerCallStreamObserver;
import java.time.Duration;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The blocking end of a stream to a client: waits while the client reads slowly, so that nothing
 * piles up in memory, and gives up on one that takes nothing for too long. One thread writes. Make
 * it before the call's handler returns.
 */
public final class StreamWriter<T> {
  private final ServerCallStreamObserver<T> observer;
  private final Duration patience;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  StreamWriter(ServerCallStreamObserver<T> observer, Duration patience) {
    this.observer = observer;
    this.patience = patience;
    observer.setOnReadyHandler(this::wake);
    observer.setOnCancelHandler(this::wake);
  }

  /** The client hung up. */
  static final class GoneException extends Exception {
    private static final long serialVersionUID = 1L;

    GoneException() {
      super("the client hung up");
    }
  }

  public boolean isGone() {
    return observer.isCancelled();
  }

  /** Sends when the client is ready for it; UNAVAILABLE when that takes too long. */
  public void send(T message) throws InterruptedException, GoneException, StatusException {
    lock.lockInterruptibly();
    try {
      long left = patience.toNanos();
      while (!observer.isReady() && !observer.isCancelled()) {
        if (left <= 0) {
          throw Status.UNAVAILABLE
              .withDescription(
                  "nothing was read for " + patience.toSeconds() + " s; ask again, nothing is lost")
              .asException();
        }
        left = changed.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
    if (observer.isCancelled()) {
      throw new GoneException();
    }
    observer.onNext(message);
  }

  private void wake() {
    lock.lock();
    try {
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
