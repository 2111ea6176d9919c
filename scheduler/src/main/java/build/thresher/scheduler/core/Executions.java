package build.thresher.scheduler.core;

import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The executions that are under way: those that an executor has a lease for, and those whose
 * results are being published.
 */
final class Executions {
  private final ReadyQueue ready;
  private final Map<String, Task> byName = new HashMap<>();
  private final Set<Task> leased = new LinkedHashSet<>();
  private final Set<Task> publishing = new LinkedHashSet<>();

  Executions(ReadyQueue ready) {
    this.ready = ready;
  }

  /** A copy: leases end while the caller goes through. */
  List<Task> leased() {
    return List.copyOf(leased);
  }

  int leasedCount() {
    return leased.size();
  }

  Collection<Task> publishing() {
    return publishing;
  }

  @Nullable Task find(String name) {
    return byName.get(name);
  }

  /** The task that is leased under this fence, if it is. */
  @Nullable Task leasedUnder(Fence fence) {
    Task task = byName.get(fence.execution());
    return task != null && task.state == TaskState.LEASED && task.holdsFence(fence) ? task : null;
  }

  /** The task whose result under this fence is being published, if it is. */
  @Nullable Task publishedUnder(Fence fence) {
    Task task = byName.get(fence.execution());
    return task != null && task.state == TaskState.PUBLISHING && task.holdsFence(fence)
        ? task
        : null;
  }

  /** A lease begins; that its client runs one more was counted when its turn came. */
  void lease(Task task, Execution execution) {
    task.execution = execution;
    remember(task, execution);
    leased.add(task);
  }

  /** The lease is over, and its result is published. */
  void publish(Task task) {
    endLease(task);
    publishing.add(task);
  }

  /** Neither a lease nor a publication is left of the task's execution, nor its name. */
  void end(Task task) {
    endLease(task);
    publishing.remove(task);
    if (task.execution != null) {
      byName.remove(task.execution.fence().execution());
    }
  }

  /** What the task's last execution was, as it was stored; it goes on where it was under way. */
  void restore(Task task, Execution execution) {
    task.execution = execution;
    switch (task.state) {
      case LEASED -> {
        remember(task, execution);
        leased.add(task);
        ready.started(task.key().instance(), execution.client());
      }
      case PUBLISHING -> {
        remember(task, execution);
        publishing.add(task);
      }
      case WAITING, READY, SUCCEEDED, FAILED, SKIPPED, CANCELLED -> {}
    }
  }

  private void endLease(Task task) {
    if (leased.remove(task) && task.execution != null) {
      ready.stopped(task.key().instance(), task.execution.client());
    }
  }

  private void remember(Task task, Execution execution) {
    byName.put(execution.fence().execution(), task);
  }
}
