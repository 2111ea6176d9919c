package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.TaskKey;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What was published, and by which execution: the first one wins and stays. */
final class Mirror {
  private final Map<TaskKey, Fence> winners = new LinkedHashMap<>();

  boolean has(TaskKey key) {
    return winners.containsKey(key);
  }

  @Nullable Fence winner(TaskKey key) {
    return winners.get(key);
  }

  void publish(TaskKey key, Fence fence) {
    winners.putIfAbsent(key, fence);
  }

  Map<TaskKey, Fence> winners() {
    return winners;
  }
}
