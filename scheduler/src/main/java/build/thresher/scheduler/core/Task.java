package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A live task. Plain mutable state of the core; how it moves is the business of {@link Lifecycle},
 * {@link Attempts} and {@link Results}. Compared by identity.
 */
final class Task {
  final long id;

  /** Changes only in what it depends on, and only when something published was lost. */
  Definition definition;

  /** Who waits for it, by request id. */
  final Map<String, Hold> holds = new LinkedHashMap<>();

  /** Tasks that must succeed first. */
  final Set<Task> waitsFor = new LinkedHashSet<>();

  /** The other end of {@link #waitsFor}. */
  final Set<Task> dependents = new LinkedHashSet<>();

  TaskState state = TaskState.WAITING;
  int attempt;
  int spent;
  long memoryLimitBytes;
  String phase = "";
  @Nullable Execution execution;
  Ending ending = Ending.NONE;
  @Nullable Instant finished;

  /** When the lease ends unless renewed; when to publish again. */
  long deadlineNanos;

  int publishFailures;

  /** Length of the longest path of unfinished work that begins here, in seconds. */
  double pathSeconds;

  Task(long id, Definition definition) {
    this.id = id;
    this.definition = definition;
  }

  TaskKey key() {
    return definition.key();
  }

  boolean holdsFence(Fence fence) {
    return execution != null && execution.fence().equals(fence);
  }

  ImmutableSet<String> requestIds() {
    return ImmutableSet.copyOf(holds.keySet());
  }

  TaskSnapshot snapshot() {
    return new TaskSnapshot(
        id,
        definition.key(),
        definition.name(),
        definition.version(),
        state,
        attempt,
        spent,
        memoryLimitBytes,
        phase,
        execution,
        ending,
        finished,
        waitsFor.stream().map(t -> t.key().hash()).collect(ImmutableList.toImmutableList()));
  }

  @Override
  public String toString() {
    return definition.name() + "/" + definition.key() + " " + state;
  }
}
