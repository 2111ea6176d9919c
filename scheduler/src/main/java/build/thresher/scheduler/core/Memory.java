package build.thresher.scheduler.core;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which builds are known to fail, at a submission; of actions that is their clients' business. A
 * failure counts where it happened on executors like those that could run the task now; while there
 * are none, anywhere.
 */
final class Memory {
  private final Map<TaskKey, List<RememberedFailure>> failures = new HashMap<>();
  private final ExecutorPool pool;

  Memory(Event.Submit event, ExecutorPool pool) {
    this.pool = pool;
    if (!event.head().options().retryFailed()) {
      for (RememberedFailure failure : event.remembered()) {
        failures.computeIfAbsent(failure.key(), k -> new ArrayList<>()).add(failure);
      }
    }
  }

  /** A failure that says that this would fail. */
  @Nullable RememberedFailure of(Definition wanted) {
    if (!(wanted.work() instanceof SpackWork work)) {
      return null;
    }
    Map<String, RememberedFailure> byClass = new HashMap<>();
    for (RememberedFailure failure : failures.getOrDefault(wanted.key(), List.of())) {
      if (failure.inputs().equals(work.inputs())) {
        byClass.put(failure.executorClass(), failure);
      }
    }
    if (byClass.isEmpty()) {
      return null;
    }
    Set<String> able = new HashSet<>();
    for (ExecutorPool.Member member : pool.members()) {
      if (member.capabilities.lacksFor(wanted.requirements()).isEmpty()) {
        able.add(member.capabilities.environmentFor(wanted.requirements()).executorClass());
      }
    }
    return byClass.keySet().containsAll(able) ? byClass.values().iterator().next() : null;
  }

  static Ending ending(RememberedFailure known) {
    return Ending.failure(known.failure().asRemembered(), known.log(), Usage.NONE);
  }
}
