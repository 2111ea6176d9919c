package build.thresher.scheduler.core;

import java.util.ArrayList;
import java.util.List;

/** The life of an attempt, from its lease until it has come to nothing; see {@link Results}. */
final class Attempts {
  private final CoreOptions options;
  private final TaskGraph graph;
  private final ExecutorPool pool;
  private final Executions executions;
  private final Lifecycle life;

  Attempts(
      CoreOptions options,
      TaskGraph graph,
      ExecutorPool pool,
      Executions executions,
      Lifecycle life) {
    this.options = options;
    this.graph = graph;
    this.pool = pool;
    this.executions = executions;
    this.life = life;
  }

  void lease(Task task, Execution execution, Now now, Journal journal) {
    task.state = TaskState.LEASED;
    task.phase = "";
    task.attempt = execution.fence().attempt();
    task.spent++;
    executions.lease(task, execution);
    extend(task, now);
    // Forgotten, the task is ready as before, and the executor's report finds no such lease.
    journal.moved(task);
  }

  /** The lease lives for another term. */
  void extend(Task task, Now now) {
    task.deadlineNanos = now.nanos() + options.leaseTerm().toNanos();
  }

  /** The lease was never handed over, and costs the task nothing. */
  Reply undelivered(Event.Undelivered event, Journal journal) {
    Task task = executions.leasedUnder(event.fence());
    if (task == null) {
      return new Reply.StaleFence();
    }
    executions.end(task);
    task.spent--;
    life.makeReadyAgain(task, journal);
    return new Reply.Done();
  }

  /** Leases that nobody renewed are over. */
  void tick(Now now, Journal journal) {
    String silence = " was not heard of for " + options.leaseTerm().toSeconds() + " s";
    for (Task task : executions.leased()) {
      if (task.execution != null && now.reached(task.deadlineNanos)) {
        lost(task, "executor " + task.execution.executor().name() + silence, now, journal);
      }
    }
  }

  /** The executor is gone, and with it what it was doing. */
  void lost(Task task, String why, Now now, Journal journal) {
    // What was lost before it may have ended the task.
    if (task.state == TaskState.LEASED && task.execution != null) {
      Failure failure = new Failure(FailureClass.INFRASTRUCTURE, why);
      failed(task, task.execution, Ending.failure(failure), now, journal);
    }
  }

  /** An attempt failed: there is another one, or the task has failed. */
  void failed(Task task, Execution execution, Ending ending, Now now, Journal journal) {
    Failure failure = ending.failure();
    if (failure == null) {
      throw new IllegalArgumentException("an attempt that failed says why");
    }
    executions.end(task);
    journal.store(new Change.ExecutionEnded(task.key(), execution, ending, now.wall()));
    if (failure.failureClass().isRetried() && task.spent < options.maxAttempts()) {
      if (failure.failureClass() == FailureClass.OUT_OF_MEMORY) {
        task.memoryLimitBytes =
            moreMemory(
                task.memoryLimitBytes, ending.usage().peakMemoryBytes(), pool.largestMemoryBytes());
      }
      task.ending = Ending.NONE;
      String phase =
          "attempt " + task.attempt + " failed (" + failure.message() + "); trying again";
      life.makeReady(task, phase, journal);
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
    life.fail(task, last, now, journal);
  }

  /** Twice what was not enough; all of the largest executor where none has twice as much. */
  private static long moreMemory(long limit, long peak, long largest) {
    long notEnough = Math.max(limit, peak);
    return largest > notEnough ? Math.min(2 * notEnough, largest) : 2 * notEnough;
  }

  /** Results that the attempt needed are gone: where that makes sense, they are made again. */
  Reply inputsLost(Event.InputsLost event, Now now, Journal journal) {
    Task task = executions.leasedUnder(event.fence());
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    if (event.producers().isEmpty() || task.spent >= options.maxAttempts()) {
      failed(task, task.execution, event.ending(), now, journal);
    } else {
      makeAgain(task, task.execution, event.ending(), event.producers(), now, journal);
    }
    return new Reply.Done();
  }

  /** What the task needs is made again by tasks that all who wait for it wait for, too. */
  private void makeAgain(
      Task task,
      Execution execution,
      Ending ending,
      List<Definition> producers,
      Now now,
      Journal journal) {
    executions.end(task);
    journal.store(new Change.ExecutionEnded(task.key(), execution, ending, now.wall()));
    task.definition = task.definition.waitingFor(producers);
    journal.store(new Change.TaskDefined(task.id, task.definition));
    task.state = TaskState.WAITING;
    task.phase = "waits for what was lost and is made again";
    journal.changed(task);
    List<Task> created = new ArrayList<>();
    for (Definition definition : producers) {
      Task producer = graph.find(definition.key());
      if (producer == null) {
        producer = life.create(definition, journal);
        created.add(producer);
      }
      task.waitsFor.add(producer);
      producer.dependents.add(task);
      for (Hold hold : task.holds.values()) {
        if (!producer.holds.containsKey(hold.request.head.id())) {
          life.attach(hold.request.reopen(definition), producer, journal);
        }
      }
    }
    life.begin(created, journal);
  }
}
