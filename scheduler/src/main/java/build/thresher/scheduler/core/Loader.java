package build.thresher.scheduler.core;

import static java.util.Comparator.comparing;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Builds the live state from what was stored. */
final class Loader {
  private final TaskGraph graph;
  private final ReadyQueue ready;
  private final Executions executions;
  private final Lifecycle life;

  Loader(TaskGraph graph, ReadyQueue ready, Executions executions, Lifecycle life) {
    this.graph = graph;
    this.ready = ready;
    this.executions = executions;
    this.life = life;
  }

  void load(LiveState live, Now now, CoreOptions options) {
    Map<Long, Task> tasks = new HashMap<>();
    for (LiveState.LiveTask stored : live.tasks()) {
      tasks.put(stored.task().id(), restore(stored, now, options));
    }
    live.requests().stream()
        .sorted(comparing(stored -> stored.head().created()))
        .forEach(stored -> restore(stored, tasks));
    List<Task> all = new ArrayList<>(graph.tasks());
    // Whoever waits no more had all that it needs; what is being made again is made for others.
    all.stream().filter(task -> task.state == TaskState.WAITING).forEach(graph::link);
    List<Task> ordered = dependenciesFirst(all);
    graph.measurePaths(ordered, task -> {});
    for (Task task : ordered) {
      if (task.state == TaskState.WAITING && task.waitsFor.isEmpty()) {
        task.state = TaskState.READY;
      }
      if (task.state == TaskState.READY) {
        ready.add(task);
      }
    }
  }

  /** A lease goes on for a full term: its executor could not renew while nobody listened. */
  private Task restore(LiveState.LiveTask stored, Now now, CoreOptions options) {
    TaskSnapshot was = stored.task();
    Task task = graph.restore(was.id(), stored.definition());
    task.state = was.state();
    task.attempt = was.attempt();
    task.spent = was.spent();
    task.memoryLimitBytes = was.memoryLimitBytes();
    task.phase = was.phase();
    task.ending = was.ending();
    task.deadlineNanos = now.nanos() + options.leaseTerm().toNanos();
    if (was.execution() != null) {
      executions.restore(task, was.execution());
    }
    return task;
  }

  private void restore(LiveState.LiveRequest stored, Map<Long, Task> tasks) {
    Request request = life.add(stored.head());
    for (LiveState.LiveHold was : stored.holds()) {
      Task task = was.ended() == null ? tasks.get(was.taskId()) : null;
      if (task != null) {
        Hold hold =
            new Hold(request, was.position(), was.own() == null ? task.definition : was.own());
        hold.task = task;
        task.holds.put(request.head.id(), hold);
        request.holds.put(task.key().hash(), hold);
        request.opened();
      } else if (was.ended() != null) {
        Hold hold = new Hold(request, was.position(), null);
        hold.ended = was.ended();
        request.holds.put(was.ended().key().hash(), hold);
        request.stopped |=
            request.head.options().failFast() && was.ended().state() == TaskState.FAILED;
      } else {
        throw new IllegalStateException(
            "request "
                + request.head.id()
                + " holds task "
                + was.taskId()
                + ", which is not stored");
      }
    }
  }

  private static List<Task> dependenciesFirst(List<Task> tasks) {
    List<Task> ordered = new ArrayList<>();
    Map<Task, Integer> open = new HashMap<>();
    for (Task task : tasks) {
      open.put(task, task.waitsFor.size());
      if (task.waitsFor.isEmpty()) {
        ordered.add(task);
      }
    }
    for (int i = 0; i < ordered.size(); i++) {
      for (Task dependent : ordered.get(i).dependents) {
        if (open.merge(dependent, -1, Integer::sum) == 0) {
          ordered.add(dependent);
        }
      }
    }
    return ordered;
  }
}
