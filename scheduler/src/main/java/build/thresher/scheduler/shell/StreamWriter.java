package build.thresher.scheduler.shell;

import io.grpc.stub.ServerCallStreamObserver;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The blocking end of a stream to a client: waits while the client reads slowly, so that nothing
 * piles up in memory. One thread writes. Make it before the call's handler returns.
 */
public final class StreamWriter<T> {
  private final ServerCallStreamObserver<T> observer;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  StreamWriter(ServerCallStreamObserver<T> observer) {
    this.observer = observer;
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

  /** Sends when the client is ready for it. */
  public void send(T message) throws InterruptedException, GoneException {
    lock.lockInterruptibly();
    try {
      while (!observer.isReady() && !observer.isCancelled()) {
        changed.await();
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
