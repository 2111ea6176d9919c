package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.TaskKey;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What was published, and by which execution: the first one wins and stays, unless it is lost. */
final class Mirror {
  private final Map<TaskKey, Fence> winners = new LinkedHashMap<>();
  private final Set<TaskKey> everPublished = new HashSet<>();
  private final Map<TaskKey, Integer> lost = new HashMap<>();
  private int losses;

  boolean has(TaskKey key) {
    return winners.containsKey(key);
  }

  @Nullable Fence winner(TaskKey key) {
    return winners.get(key);
  }

  void publish(TaskKey key, Fence fence) {
    winners.putIfAbsent(key, fence);
    everPublished.add(key);
  }

  /** The disk has lost one of the results. */
  void loseOne(Random random) {
    if (!winners.isEmpty()) {
      TaskKey key = List.copyOf(winners.keySet()).get(random.nextInt(winners.size()));
      winners.remove(key);
      lost.put(key, losses++);
    }
  }

  /** How many results were lost until now: a moment, for {@link #hadSince}. */
  int losses() {
    return losses;
  }

  /** Whether it was there at that moment or later. */
  boolean hadSince(TaskKey key, int moment) {
    return winners.containsKey(key) || lost.getOrDefault(key, -1) >= moment;
  }

  /** True also for what was lost since. */
  boolean everHad(TaskKey key) {
    return everPublished.contains(key);
  }

  Map<TaskKey, Fence> winners() {
    return winners;
  }
}
