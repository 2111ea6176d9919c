package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableSet;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * How tasks and requests begin and end, and what that does to others; what happens to a task in
 * between is the business of {@link Attempts} and {@link Results}.
 *
 * <p>A task that ends leaves the live state at once; each request that held it keeps how it ended.
 * A request is over when all its tasks are. Nothing here recurses: a chain of 50,000 tasks is cut
 * down by a list of what is still to end.
 */
final class Lifecycle {
  private final TaskGraph graph;
  private final ReadyQueue ready;
  private final Executions executions;
  private final Map<String, Request> requests = new LinkedHashMap<>();
  private final OpenTasks openTasks = new OpenTasks();
  private long requestsSoFar;
  private final Deque<End> ends = new ArrayDeque<>();

  /** A task that is to end for all who hold it, except for survivors, who get one of their own. */
  private record End(
      Task task, TaskState state, Ending ending, String phase, Predicate<Hold> survives) {}

  Lifecycle(TaskGraph graph, ReadyQueue ready, Executions executions) {
    this.graph = graph;
    this.ready = ready;
    this.executions = executions;
  }

  /** The live ones, by id, oldest first. */
  Map<String, Request> requests() {
    return requests;
  }

  /** A live request from now on. */
  Request add(RequestHead head) {
    Request request = new Request(head, ++requestsSoFar, openTasks);
    requests.put(head.id(), request);
    return request;
  }

  OpenTasks openTasks() {
    return openTasks;
  }

  /** A new task that waits for those of its dependencies that are live. */
  Task create(Definition definition, Journal journal) {
    Task task = graph.create(definition);
    journal.store(new Change.TaskDefined(task.id, definition));
    graph.link(task);
    return task;
  }

  /**
   * New tasks get their places; those that wait for nothing are ready.
   *
   * @param created dependencies first
   */
  void begin(List<Task> created, Journal journal) {
    graph.measurePaths(created, ready::add);
    for (Task task : created) {
      journal.changed(task);
      if (task.waitsFor.isEmpty()) {
        makeReady(task, "", journal);
      }
    }
  }

  /** The task can go as soon as an executor is free. */
  void makeReady(Task task, String phase, Journal journal) {
    queue(task, phase);
    journal.changed(task);
  }

  /** As before a lease that nobody got: forgotten, that lapses. */
  void makeReadyAgain(Task task, Journal journal) {
    queue(task, "");
    journal.moved(task);
  }

  private void queue(Task task, String phase) {
    task.state = TaskState.READY;
    task.phase = phase;
    ready.add(task);
  }

  void succeed(Task task, Now now, Journal journal) {
    end(task, TaskState.SUCCEEDED, task.ending, "", hold -> false, now, journal);
  }

  /** The task failed for all who wanted this very run. */
  void fail(Task task, Ending ending, Now now, Journal journal) {
    Predicate<Hold> wantsAnother = hold -> !hold.wanted().sameRunAs(task.definition);
    end(task, TaskState.FAILED, ending, "", wantsAnother, now, journal);
  }

  /** Lets the request go of all that it waits for, and ends it. */
  void cancel(Request request, Now now, Journal journal) {
    request.stopped = true;
    letGo(request, hold -> true, TaskState.CANCELLED, "the request was cancelled", now, journal);
    finish(request, RequestState.CANCELLED, now, journal);
  }

  /** Ends the request if nothing of it is open. */
  void finishIfOver(Request request, Now now, Journal journal) {
    if (request.isOver() && requests.containsKey(request.head.id())) {
      finish(request, request.verdict(), now, journal);
    }
  }

  private void finish(Request request, RequestState state, Now now, Journal journal) {
    requests.remove(request.head.id());
    journal.store(new Change.RequestFinished(request.head, state, now.wall()));
    journal.effect(new Effect.RequestFinished(request.snapshot(state, now.wall())));
  }

  /** Records how a task ended as far as the request is concerned. */
  void settle(Hold hold, TaskSnapshot ended, Journal journal) {
    hold.task = null;
    hold.ended = ended;
    hold.request.settled();
    journal.store(new Change.HoldEnded(hold.request.head.id(), hold.position, ended));
  }

  /** After a failure, a request that said so gets nothing more handed out. */
  void stopIfFailFast(Request request, String failed, Now now, Journal journal) {
    if (!request.head.options().failFast() || request.stopped) {
      return;
    }
    request.stopped = true;
    String phase = "not started, because " + failed + " failed and fail_fast was asked for";
    letGo(request, Lifecycle::notStarted, TaskState.SKIPPED, phase, now, journal);
  }

  private static boolean notStarted(Hold hold) {
    return hold.task != null
        && (hold.task.state == TaskState.WAITING || hold.task.state == TaskState.READY);
  }

  private void letGo(
      Request request,
      Predicate<Hold> which,
      TaskState as,
      String phase,
      Now now,
      Journal journal) {
    List<Task> freed = new ArrayList<>();
    for (Hold hold : request.holds.values()) {
      Task task = hold.task;
      if (task == null || !which.test(hold)) {
        continue;
      }
      TaskSnapshot ended = task.snapshot().endedEarly(as, phase, now.wall());
      task.holds.remove(request.head.id());
      settle(hold, ended, journal);
      journal.effect(new Effect.TaskChanged(ImmutableSet.of(request.head.id()), ended));
      if (task.state == TaskState.READY) {
        ready.add(task);
      }
      freed.add(task);
    }
    for (Task task : freed.reversed()) {
      endIfUnwanted(task, now, journal);
    }
  }

  /** What nobody waits for ends, except for a result that is there already. */
  private void endIfUnwanted(Task task, Now now, Journal journal) {
    if (!task.state.isDone()
        && task.state != TaskState.PUBLISHING
        && task.holds.isEmpty()
        && task.dependents.isEmpty()) {
      end(task, TaskState.CANCELLED, Ending.NONE, "", hold -> false, now, journal);
    }
  }

  private void end(
      Task task,
      TaskState state,
      Ending ending,
      String phase,
      Predicate<Hold> survives,
      Now now,
      Journal journal) {
    boolean outermost = ends.isEmpty();
    ends.add(new End(task, state, ending, phase, survives));
    if (!outermost) {
      return;
    }
    while (!ends.isEmpty()) {
      End next = ends.element();
      if (!next.task.state.isDone()) {
        endOne(next, now, journal);
      }
      ends.remove();
    }
  }

  private void endOne(End end, Now now, Journal journal) {
    Task task = end.task;
    executions.end(task);
    ready.remove(task);
    graph.remove(task);
    task.state = end.state;
    task.ending = end.ending;
    task.finished = now.wall();
    task.phase = end.phase;

    List<Hold> survivors = task.holds.values().stream().filter(end.survives).toList();
    survivors.forEach(hold -> task.holds.remove(hold.request.head.id()));
    Set<Task> dependencies = new LinkedHashSet<>(task.waitsFor);
    graph.unlink(task);
    TaskSnapshot last = task.snapshot();
    journal.ended(task, last);

    Task replacement = survivors.isEmpty() ? null : replace(survivors, journal);
    passOn(task, replacement, now, journal);
    for (Hold hold : task.holds.values()) {
      settle(hold, last, journal);
    }
    for (Hold hold : List.copyOf(task.holds.values())) {
      if (end.state == TaskState.FAILED) {
        stopIfFailFast(hold.request, task.definition.name(), now, journal);
      }
      finishIfOver(hold.request, now, journal);
    }
    dependencies.forEach(dependency -> endIfUnwanted(dependency, now, journal));
  }

  /** Tells the tasks that wait for one that ended. */
  private void passOn(Task task, @Nullable Task replacement, Now now, Journal journal) {
    for (Task dependent : List.copyOf(task.dependents)) {
      dependent.waitsFor.remove(task);
      task.dependents.remove(dependent);
      if (task.state == TaskState.SUCCEEDED) {
        if (dependent.waitsFor.isEmpty() && dependent.state == TaskState.WAITING) {
          makeReady(dependent, "", journal);
        }
        continue;
      }
      Predicate<Hold> goesOn =
          hold -> replacement != null && replacement.holds.containsKey(hold.request.head.id());
      if (replacement != null && dependent.holds.values().stream().allMatch(goesOn)) {
        dependent.waitsFor.add(replacement);
        replacement.dependents.add(dependent);
        journal.shown(dependent);
      } else {
        String why = task.state == TaskState.SKIPPED ? task.phase : skippedBecause(task.definition);
        end(dependent, TaskState.SKIPPED, Ending.NONE, why, goesOn, now, journal);
      }
    }
  }

  static String skippedBecause(Definition failed) {
    return "skipped, because " + failed.name() + "@" + failed.version() + " failed";
  }

  /** Whoever wanted other inputs than those that failed gets an execution of his own. */
  private Task replace(List<Hold> survivors, Journal journal) {
    Definition definition = survivors.getFirst().wanted();
    Task task = create(definition, journal);
    for (Hold hold : survivors) {
      attach(hold, task, journal);
    }
    begin(List.of(task), journal);
    return task;
  }

  void attach(Hold hold, Task task, Journal journal) {
    hold.task = task;
    task.holds.put(hold.request.head.id(), hold);
    journal.store(
        new Change.HoldPut(
            hold.request.head.id(),
            hold.position,
            task.key(),
            task.id,
            hold.wanted().sameRunAs(task.definition) ? null : hold.wanted()));
  }
}
