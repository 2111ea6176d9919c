package build.thresher.scheduler.shell;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.store.TaskStore;
import build.thresher.scheduler.store.TaskStore.Page;
import build.thresher.scheduler.store.TaskStore.RequestQuery;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;

/**
 * Questions to the task store about what is over. They run on a few platform threads of its own,
 * because a native call would hold a virtual thread's carrier. Any thread.
 */
public final class History implements AutoCloseable {
  private static final int THREADS = 4;

  private final TaskStore store;
  private final ExecutorService threads =
      Executors.newFixedThreadPool(
          THREADS, Thread.ofPlatform().name("scheduler-history-", 0).daemon().factory());

  public History(TaskStore store) {
    this.store = store;
  }

  public Optional<RequestSnapshot> request(String id) throws IOException, InterruptedException {
    return query(() -> store.finishedRequest(id));
  }

  public Page requests(RequestQuery query) throws IOException, InterruptedException {
    return query(() -> store.requests(query));
  }

  public Optional<String> latestRequest(TaskKey key) throws IOException, InterruptedException {
    return query(() -> store.latestRequest(key));
  }

  public Optional<Change.ExecutionEnded> execution(String name)
      throws IOException, InterruptedException {
    return query(() -> store.execution(name));
  }

  private <T> T query(Callable<T> question) throws IOException, InterruptedException {
    try {
      return threads.submit(question).get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException io) {
        throw new IOException(io.getMessage(), io);
      }
      throw new IllegalStateException("a question to the task store failed", e.getCause());
    } catch (RejectedExecutionException e) {
      throw new IOException("the task store is closing", e);
    }
  }

  @Override
  public void close() {
    threads.close();
  }
}
