package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Questions about the live state. Answers are values; ask on the core's thread. */
public final class CoreView {
  private final Lifecycle life;
  private final TaskGraph graph;
  private final Executions executions;
  private final ReadyQueue ready;
  private final ExecutorPool pool;

  CoreView(
      Lifecycle life, TaskGraph graph, Executions executions, ReadyQueue ready, ExecutorPool pool) {
    this.life = life;
    this.graph = graph;
    this.executions = executions;
    this.ready = ready;
    this.pool = pool;
  }

  /** How many tasks are in each of the states that are not ends. */
  public record Counts(int waiting, int ready, int leased, int publishing, int requests) {}

  /** An executor as it was last heard of. */
  public record ExecutorView(
      ExecutorId id, int slots, int busy, Instant lastSeen, Capabilities capabilities) {}

  public Optional<RequestSnapshot> request(String id) {
    return Optional.ofNullable(life.requests().get(id))
        .map(r -> r.snapshot(RequestState.ACTIVE, null));
  }

  /** All requests, without their tasks, oldest first. */
  public ImmutableList<RequestHead> requests() {
    return life.requests().values().stream()
        .map(r -> r.head)
        .collect(ImmutableList.toImmutableList());
  }

  /** A request that waits for this key. */
  public Optional<String> requestFor(TaskKey key) {
    return Optional.ofNullable(graph.find(key)).flatMap(t -> t.holds.keySet().stream().findFirst());
  }

  /** True while the execution holds a lease or is being published. */
  public boolean isRunning(String execution) {
    return executions.find(execution) != null;
  }

  /** Whether tasks wait for executors that are all at work: none of them asks for any. */
  public boolean isSaturated() {
    return !ready.isEmpty() && !pool.isEmpty() && !pool.hasPolls();
  }

  /** What runs under this fence. */
  public Optional<Definition> leased(Fence fence) {
    return Optional.ofNullable(executions.leasedUnder(fence)).map(t -> t.definition);
  }

  /** What is not done yet, of all instances and kinds. */
  public ImmutableList<Definition> open() {
    return graph.tasks().stream().map(t -> t.definition).collect(ImmutableList.toImmutableList());
  }

  /**
   * What has to be there until the end of what is not done yet: each task as it would be run now,
   * and as those want it who asked with inputs of their own.
   */
  public ImmutableList<Definition> wanted() {
    ImmutableList.Builder<Definition> all = ImmutableList.builder();
    for (Task task : graph.tasks()) {
      all.add(task.definition);
      for (Hold hold : task.holds.values()) {
        if (!hold.wanted().work().equals(task.definition.work())) {
          all.add(hold.wanted());
        }
      }
    }
    return all.build();
  }

  /** A result that is neither published nor refused. */
  public record Unpublished(TaskKey key, Ending ending) {}

  public ImmutableList<Unpublished> unpublished() {
    return executions.publishing().stream()
        .map(task -> new Unpublished(task.key(), task.ending))
        .collect(ImmutableList.toImmutableList());
  }

  public Counts counts() {
    int waiting = 0;
    int ready = 0;
    for (Task task : graph.tasks()) {
      waiting += task.state == TaskState.WAITING ? 1 : 0;
      ready += task.state == TaskState.READY ? 1 : 0;
    }
    return new Counts(
        waiting,
        ready,
        executions.leasedCount(),
        executions.publishing().size(),
        life.requests().size());
  }

  public ImmutableList<ExecutorView> executors() {
    Map<String, Integer> busy = new HashMap<>();
    for (Task task : executions.leased()) {
      if (task.execution != null) {
        busy.merge(task.execution.executor().name(), 1, Integer::sum);
      }
    }
    return pool.members().stream()
        .map(
            m ->
                new ExecutorView(
                    m.id,
                    m.slots,
                    busy.getOrDefault(m.id.name(), 0),
                    m.lastSeen.wall(),
                    m.capabilities))
        .collect(ImmutableList.toImmutableList());
  }
}
