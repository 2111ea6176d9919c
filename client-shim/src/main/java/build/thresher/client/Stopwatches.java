package build.thresher.client;

import build.thresher.v1.Task;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/** How long each node has been building, as seen from here. Used by one thread at a time. */
final class Stopwatches {
  private final LongSupplier nanoTime;
  private final Map<String, Long> started = new HashMap<>();

  Stopwatches(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  void see(Task task) {
    if (TaskText.isRunning(task.getState())) {
      started.putIfAbsent(task.getHash(), nanoTime.getAsLong());
    }
  }

  /** -1 where it was never seen to run. */
  long seconds(Task task) {
    Long since = started.get(task.getHash());
    return since == null ? -1 : (nanoTime.getAsLong() - since) / 1_000_000_000L;
  }
}
