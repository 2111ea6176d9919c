package build.thresher.scheduler.core;

import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The live tasks: at most one for a key. Knows who waits for whom and how long the work is that
 * waits on each.
 */
final class TaskGraph {
  private static final double UNKNOWN_SECONDS = 1;

  /** How much the newest build of a package counts in its expected duration. */
  private static final double NEWEST_SHARE = 0.5;

  private final Map<TaskKey, Task> byKey = new LinkedHashMap<>();
  private final Map<String, Double> durations = new HashMap<>();
  private long nextId = 1;

  TaskGraph(Map<String, Double> durations) {
    this.durations.putAll(durations);
  }

  Collection<Task> tasks() {
    return byKey.values();
  }

  @Nullable Task find(TaskKey key) {
    return byKey.get(key);
  }

  Task create(Definition definition) {
    return restore(nextId, definition);
  }

  Task restore(long id, Definition definition) {
    Task task = new Task(id, definition);
    nextId = Math.max(nextId, id + 1);
    byKey.put(task.key(), task);
    return task;
  }

  /** Lets the task wait for those of its dependencies that are live; the others are published. */
  void link(Task task) {
    for (String hash : task.definition.dependsOn()) {
      Task dependency = byKey.get(new TaskKey(task.key().instance(), hash));
      if (dependency != null && dependency != task) {
        task.waitsFor.add(dependency);
        dependency.dependents.add(task);
      }
    }
  }

  void unlink(Task task) {
    for (Task dependency : task.waitsFor) {
      dependency.dependents.remove(task);
    }
    task.waitsFor.clear();
  }

  void remove(Task task) {
    byKey.remove(task.key(), task);
  }

  /** Learns how long a build took; returns what is now expected. */
  double learn(String name, double seconds) {
    return durations.merge(name, seconds, (old, latest) -> old + NEWEST_SHARE * (latest - old));
  }

  /**
   * Computes the paths of new tasks and lengthens those of the tasks that they wait for.
   *
   * @param tasks dependencies first
   * @param moved is told of each ready task whose path became longer
   */
  void measurePaths(List<Task> tasks, Consumer<Task> moved) {
    Deque<Task> longer = new ArrayDeque<>();
    for (Task task : tasks.reversed()) {
      double behind = 0;
      for (Task dependent : task.dependents) {
        behind = Math.max(behind, dependent.pathSeconds);
      }
      task.pathSeconds = seconds(task) + behind;
    }
    longer.addAll(tasks.reversed());
    while (!longer.isEmpty()) {
      Task task = longer.poll();
      for (Task dependency : task.waitsFor) {
        double path = seconds(dependency) + task.pathSeconds;
        if (path > dependency.pathSeconds) {
          dependency.pathSeconds = path;
          longer.add(dependency);
          if (dependency.state == TaskState.READY) {
            moved.accept(dependency);
          }
        }
      }
    }
  }

  private double seconds(Task task) {
    return durations.getOrDefault(task.definition.name(), UNKNOWN_SECONDS);
  }
}
