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
 * How tasks and requests move from state to state, and what that does to others.
 *
 * <p>A task that ends leaves the live state at once; each request that held it keeps how it ended.
 * A request is over when all its tasks are. Nothing here recurses: a chain of 50,000 tasks is cut
 * down by a list of what is still to end.
 */
final class Lifecycle {
  private final CoreOptions options;
  private final TaskGraph graph;
  private final ReadyQueue ready;
  private final Map<String, Request> requests = new LinkedHashMap<>();
  private final Set<Task> leased = new LinkedHashSet<>();
  private final Set<Task> publishing = new LinkedHashSet<>();
  private final Deque<End> ends = new ArrayDeque<>();

  /** A task that is to end for all who hold it, except for survivors, who get one of their own. */
  private record End(
      Task task, TaskState state, Ending ending, String phase, Predicate<Hold> survives) {}

  Lifecycle(CoreOptions options, TaskGraph graph, ReadyQueue ready) {
    this.options = options;
    this.graph = graph;
    this.ready = ready;
  }

  Map<String, Request> requests() {
    return requests;
  }

  Set<Task> leased() {
    return leased;
  }

  Set<Task> publishing() {
    return publishing;
  }

  /** The task can go as soon as an executor is free. */
  void makeReady(Task task, String phase, Journal journal) {
    task.state = TaskState.READY;
    task.phase = phase;
    ready.add(task);
    journal.changed(task);
  }

  void lease(Task task, Execution execution, Now now, Journal journal) {
    graph.forgetExecution(task);
    task.state = TaskState.LEASED;
    task.phase = "";
    task.attempt = execution.fence().attempt();
    task.spent++;
    task.deadlineNanos = now.nanos() + options.leaseTerm().toNanos();
    graph.remember(task, execution);
    leased.add(task);
    journal.changed(task);
  }

  /** An execution ran to its end. What others will ask for is published first. */
  void ran(Task task, Ending ending, Execution execution, Now now, Journal journal) {
    if (task.definition.work() instanceof ActionWork action
        && ending.outputs() instanceof ActionOutputs outputs
        && !action.isKept(outputs)) {
      task.ending = ending;
      succeed(task, execution, now, journal);
    } else {
      publish(task, ending, execution, journal);
    }
  }

  private void publish(Task task, Ending ending, Execution execution, Journal journal) {
    stopRunning(task);
    task.state = TaskState.PUBLISHING;
    task.phase = "";
    task.ending = ending;
    task.publishFailures = 0;
    publishing.add(task);
    journal.changed(task);
    emitPublish(task, execution, journal);
  }

  void emitPublish(Task task, Execution execution, Journal journal) {
    Outputs outputs = task.ending.outputs();
    if (outputs != null) {
      task.deadlineNanos = Long.MAX_VALUE;
      journal.effect(new Effect.Publish(task.definition, execution, outputs));
    }
  }

  void succeed(Task task, Execution execution, Now now, Journal journal) {
    journal.store(new Change.ExecutionEnded(task.key(), execution, task.ending, now.wall()));
    double seconds = task.ending.usage().wall().toNanos() / 1e9;
    if (seconds > 0 && task.definition.work() instanceof SpackWork) {
      String name = task.definition.name();
      journal.store(new Change.DurationPut(name, graph.learn(name, seconds)));
    }
    end(task, TaskState.SUCCEEDED, task.ending, "", hold -> false, now, journal);
  }

  /**
   * An attempt failed: there is another one, or the task has failed.
   *
   * @param largestMemoryBytes of any executor; 0 where none is known
   */
  void attemptFailed(
      Task task,
      Execution execution,
      Ending ending,
      long largestMemoryBytes,
      Now now,
      Journal journal) {
    Failure failure = ending.failure();
    if (failure == null) {
      throw new IllegalArgumentException("an attempt that failed says why");
    }
    stopRunning(task);
    publishing.remove(task);
    journal.store(new Change.ExecutionEnded(task.key(), execution, ending, now.wall()));
    if (failure.failureClass().isRetried() && task.spent < options.maxAttempts()) {
      if (failure.failureClass() == FailureClass.OUT_OF_MEMORY) {
        task.memoryLimitBytes =
            moreMemory(task.memoryLimitBytes, ending.usage().peakMemoryBytes(), largestMemoryBytes);
      }
      task.ending = Ending.NONE;
      graph.forgetExecution(task);
      String phase =
          "attempt " + task.attempt + " failed (" + failure.message() + "); trying again";
      makeReady(task, phase, journal);
      return;
    }
    Ending last = ending;
    if (failure.failureClass().isRetried()) {
      String message = failure.message() + " (" + task.spent + " attempts)";
      last = ending.withFailure(failure.says(message));
    } else if (failure.isRemembered() && task.definition.work() instanceof SpackWork work) {
      journal.store(
          new Change.FailurePut(
              new RememberedFailure(
                  task.key(),
                  work.inputs(),
                  execution.environment().executorClass(),
                  failure,
                  ending.log(),
                  execution.fence().execution(),
                  now.wall().plus(options.failureTtl()))));
    }
    fail(task, last, now, journal);
  }

  /** Twice what was not enough; all of the largest executor where none has twice as much. */
  private static long moreMemory(long limit, long peak, long largest) {
    long notEnough = Math.max(limit, peak);
    return largest > notEnough ? Math.min(2 * notEnough, largest) : 2 * notEnough;
  }

  /** What the task needs is made again by tasks that all who wait for it wait for, too. */
  void makeAgain(
      Task task,
      Execution execution,
      Ending ending,
      List<Definition> producers,
      Now now,
      Journal journal) {
    stopRunning(task);
    journal.store(new Change.ExecutionEnded(task.key(), execution, ending, now.wall()));
    graph.forgetExecution(task);
    task.definition = task.definition.waitingFor(producers);
    journal.store(new Change.TaskDefined(task.id, task.definition));
    task.state = TaskState.WAITING;
    task.phase = "waits for what was lost and is made again";
    journal.changed(task);
    List<Task> created = new ArrayList<>();
    for (Definition definition : producers) {
      Task producer = graph.find(definition.key());
      if (producer == null) {
        producer = graph.create(definition);
        journal.store(new Change.TaskDefined(producer.id, definition));
        graph.link(producer);
        journal.changed(producer);
        created.add(producer);
      }
      task.waitsFor.add(producer);
      producer.dependents.add(task);
      for (Hold hold : task.holds.values()) {
        if (!producer.holds.containsKey(hold.request.head.id())) {
          attach(hold.request.reopen(definition), producer, journal);
        }
      }
    }
    graph.measurePaths(created, ready::add);
    for (Task producer : created) {
      if (producer.waitsFor.isEmpty()) {
        makeReady(producer, "", journal);
      }
    }
  }

  /** The task failed for all who wanted this very run. */
  void fail(Task task, Ending ending, Now now, Journal journal) {
    Predicate<Hold> wantsAnother = hold -> !hold.wanted().sameRunAs(task.definition);
    end(task, TaskState.FAILED, ending, "", wantsAnother, now, journal);
  }

  /** The lease was never handed over. */
  void takeBack(Task task, Journal journal) {
    stopRunning(task);
    task.spent--;
    graph.forgetExecution(task);
    makeReady(task, "", journal);
  }

  /** Lets the request go of all that it waits for, and ends it. */
  void cancel(Request request, Now now, Journal journal) {
    request.stopped = true;
    letGo(request, hold -> true, TaskState.CANCELLED, "the request was cancelled", now, journal);
    finish(request, RequestState.CANCELLED, now, journal);
  }

  /** Ends the request if nothing of it is open. */
  void finishIfOver(Request request, Now now, Journal journal) {
    if (request.open == 0 && requests.containsKey(request.head.id())) {
      finish(request, request.verdict(), now, journal);
    }
  }

  private void finish(Request request, RequestState state, Now now, Journal journal) {
    requests.remove(request.head.id());
    journal.store(new Change.RequestFinished(request.head, state, now.wall()));
    journal.effect(new Effect.RequestFinished(request.head.id()));
  }

  /** Records how a task ended as far as the request is concerned. */
  void settle(Hold hold, TaskSnapshot ended, Journal journal) {
    hold.task = null;
    hold.ended = ended;
    hold.request.open--;
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
    stopRunning(task);
    publishing.remove(task);
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
    Task task = graph.create(definition);
    journal.store(new Change.TaskDefined(task.id, definition));
    graph.link(task);
    for (Hold hold : survivors) {
      attach(hold, task, journal);
    }
    graph.measurePaths(List.of(task), ready::add);
    journal.changed(task);
    if (task.waitsFor.isEmpty()) {
      makeReady(task, "", journal);
    }
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

  private void stopRunning(Task task) {
    if (leased.remove(task) && task.execution != null) {
      ready.stopped(task.execution.client());
    }
  }
}
