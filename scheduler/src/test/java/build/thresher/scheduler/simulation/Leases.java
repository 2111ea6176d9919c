package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.TaskSnapshot;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which leases were handed out: no fence twice, and none that the task's attempts do not count,
 * except for those that nobody got and those that a power cut made the server forget.
 */
final class Leases {
  private final Set<Fence> seen = new HashSet<>();
  private final Map<Fence, Long> taskOf = new HashMap<>();
  private final Map<Long, Integer> counted = new HashMap<>();

  /**
   * @param task null when it was over before anybody got the lease
   */
  void handedOut(Fence fence, @Nullable TaskSnapshot task) {
    check(seen.add(fence), fence + " is handed out twice");
    if (task != null) {
      taskOf.put(fence, task.id());
      check(counted.merge(task.id(), 1, Integer::sum) <= task.spent(), "more leases than " + task);
    }
  }

  void undelivered(Fence fence) {
    counted.merge(Objects.requireNonNull(taskOf.get(fence)), -1, Integer::sum);
  }

  /**
   * A power cut came.
   *
   * @param before what the server knew of the task
   * @param after what it knows now
   */
  void lost(TaskSnapshot before, @Nullable TaskSnapshot after) {
    if (after != null) {
      counted.merge(before.id(), after.spent() - before.spent(), Integer::sum);
    }
  }

  /** The number of a task that is over may be given to another one. */
  void over(TaskSnapshot task) {
    counted.remove(task.id());
  }

  private static void check(boolean holds, String message) {
    if (!holds) {
      throw new AssertionError(message);
    }
  }
}
