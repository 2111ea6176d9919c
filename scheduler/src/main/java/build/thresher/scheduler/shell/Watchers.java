package build.thresher.scheduler.shell;

import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskSnapshot;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * Who watches which request. A watch keeps the newest state of each task that was not taken yet, so
 * a reader that is slow, or reads nothing, costs no more than the request has tasks. Any thread.
 */
public final class Watchers {
  private final Map<String, List<Watch>> byRequest = new ConcurrentHashMap<>();

  /** What has happened to a request since it was last asked. */
  public static final class Watch {
    private final String requestId;
    private final Map<String, TaskSnapshot> changed = new LinkedHashMap<>();
    private @Nullable RequestSnapshot finished;
    private boolean lost;

    private Watch(String requestId) {
      this.requestId = requestId;
    }

    private synchronized void offer(TaskSnapshot task) {
      changed.remove(task.key().hash());
      changed.put(task.key().hash(), task);
      notifyAll();
    }

    private synchronized void finish(RequestSnapshot request) {
      finished = request;
      notifyAll();
    }

    private synchronized void lose() {
      lost = true;
      notifyAll();
    }

    /** Waits until there is news or the time is up. */
    public synchronized News take(Duration patience) throws InterruptedException {
      long deadline = System.nanoTime() + patience.toNanos();
      long left = patience.toMillis();
      while (changed.isEmpty() && finished == null && !lost && left > 0) {
        wait(left);
        left = (deadline - System.nanoTime()) / 1_000_000;
      }
      News news = new News(new ArrayList<>(changed.values()), Optional.ofNullable(finished), lost);
      changed.clear();
      return news;
    }
  }

  /**
   * News of a request.
   *
   * @param finished how it ended; nothing follows
   * @param lost nothing follows because the scheduler had to start over; ask again
   */
  public record News(List<TaskSnapshot> tasks, Optional<RequestSnapshot> finished, boolean lost) {}

  /** From now on the watch hears of the request. */
  public Watch add(String requestId) {
    Watch watch = new Watch(requestId);
    byRequest.computeIfAbsent(requestId, id -> new CopyOnWriteArrayList<>()).add(watch);
    return watch;
  }

  public void remove(Watch watch) {
    byRequest.computeIfPresent(
        watch.requestId,
        (id, watches) -> {
          watches.remove(watch);
          return watches.isEmpty() ? null : watches;
        });
  }

  void tell(Effect.TaskChanged effect) {
    for (String id : effect.requestIds()) {
      byRequest.getOrDefault(id, List.of()).forEach(watch -> watch.offer(effect.task()));
    }
  }

  void finished(RequestSnapshot request) {
    byRequest.getOrDefault(request.head().id(), List.of()).forEach(watch -> watch.finish(request));
  }

  /** What was told may not be true any more: all ask again. */
  void loseAll() {
    byRequest.values().forEach(watches -> watches.forEach(Watch::lose));
  }
}
