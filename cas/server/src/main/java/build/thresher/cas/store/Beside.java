package build.thresher.cas.store;

import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/**
 * One read or write of a file at a time that goes on while its owner does something else, on a
 * virtual thread. Used by one thread at a time.
 */
final class Beside {
  private @Nullable FutureTask<@Nullable Void> running;

  /** What is done. */
  interface Work {
    void run() throws IOException;
  }

  /** Begins, where nothing runs. */
  void start(Work work) {
    FutureTask<@Nullable Void> task =
        new FutureTask<>(
            () -> {
              work.run();
              return null;
            });
    running = task;
    Thread.ofVirtual().name("blob-file").start(task);
  }

  /** Returns when nothing runs, and fails as what ran did. */
  void await() throws IOException {
    FutureTask<@Nullable Void> task = running;
    running = null;
    if (task == null) {
      return;
    }
    end(task);
    if (task.state() == FutureTask.State.FAILED) {
      Throwable failure = task.exceptionNow();
      if (failure instanceof IOException io) {
        throw new IOException(io.getMessage(), io);
      }
      throw new IllegalStateException(failure);
    }
  }

  /** Returns when nothing runs. */
  void end() {
    FutureTask<@Nullable Void> task = running;
    running = null;
    if (task != null) {
      end(task);
    }
  }

  /** Its buffer and file are in use until then, whoever interrupts. */
  private static void end(FutureTask<@Nullable Void> task) {
    boolean interrupted = false;
    while (!task.isDone()) {
      try {
        task.get();
      } catch (InterruptedException e) {
        interrupted = true;
      } catch (ExecutionException e) {
        break; // Whoever awaits it is told.
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
