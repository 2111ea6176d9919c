package build.thresher.scheduler.core;

/**
 * What becomes of the end of an execution: a result that others will ask for is published first,
 * and only then the task has succeeded.
 */
final class Results {
  private static final long MAX_DELAY_NANOS = 30_000_000_000L;
  private static final int MAX_FAILURES = 10;

  private final TaskGraph graph;
  private final Executions executions;
  private final Attempts attempts;
  private final Lifecycle life;

  Results(TaskGraph graph, Executions executions, Attempts attempts, Lifecycle life) {
    this.graph = graph;
    this.executions = executions;
    this.attempts = attempts;
    this.life = life;
  }

  /** An executor says how an execution ended; it may say so twice. */
  Reply complete(Event.Complete event, Now now, Journal journal) {
    if (executions.publishedUnder(event.fence()) != null) {
      return new Reply.Done();
    }
    Task task = executions.leasedUnder(event.fence());
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    if (event.ending().outputs() == null) {
      attempts.failed(task, task.execution, event.ending(), now, journal);
    } else if (isKept(task, event.ending())) {
      publish(task, event.ending(), journal);
    } else {
      task.ending = event.ending();
      succeed(task, task.execution, now, journal);
    }
    return new Reply.Done();
  }

  private static boolean isKept(Task task, Ending ending) {
    return !(task.definition.work() instanceof ActionWork action
            && ending.outputs() instanceof ActionOutputs outputs)
        || action.isKept(outputs);
  }

  private void publish(Task task, Ending ending, Journal journal) {
    executions.publish(task);
    task.state = TaskState.PUBLISHING;
    task.phase = "";
    task.ending = ending;
    task.publishFailures = 0;
    journal.changed(task);
    emitPublish(task, journal);
  }

  private static void emitPublish(Task task, Journal journal) {
    Outputs outputs = task.ending.outputs();
    if (outputs != null && task.execution != null) {
      task.deadlineNanos = Long.MAX_VALUE;
      journal.effect(new Effect.Publish(task.definition, task.execution, outputs));
    }
  }

  /** After a restart, what was about to be published is. */
  void resume(Journal journal) {
    executions.publishing().forEach(task -> emitPublish(task, journal));
  }

  /** What could not be published a while ago is tried again. */
  void tick(Now now, Journal journal) {
    for (Task task : executions.publishing()) {
      if (task.deadlineNanos != Long.MAX_VALUE && now.reached(task.deadlineNanos)) {
        emitPublish(task, journal);
      }
    }
  }

  Reply published(Event.PublishDone event, Now now, Journal journal) {
    Task task = executions.publishedUnder(event.fence());
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    succeed(task, task.execution, now, journal);
    return new Reply.Done();
  }

  private void succeed(Task task, Execution execution, Now now, Journal journal) {
    journal.store(new Change.ExecutionEnded(task.key(), execution, task.ending, now.wall()));
    double seconds = task.ending.usage().wall().toNanos() / 1e9;
    if (seconds > 0 && task.definition.work() instanceof SpackWork) {
      String name = task.definition.name();
      journal.store(new Change.DurationPut(name, graph.learn(name, seconds)));
    }
    life.succeed(task, now, journal);
  }

  Reply refused(Event.PublishRefused event, Now now, Journal journal) {
    Task task = executions.publishedUnder(event.fence());
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    attempts.failed(task, task.execution, task.ending.withFailure(event.failure()), now, journal);
    return new Reply.Done();
  }

  /** Tried again at growing distances; after many times the attempt has failed. */
  Reply couldNotPublish(Event.PublishFailed event, Now now, Journal journal) {
    Task task = executions.publishedUnder(event.fence());
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    task.publishFailures++;
    if (task.publishFailures >= MAX_FAILURES) {
      String message = "the result could not be published: " + event.reason();
      Failure failure = new Failure(FailureClass.INFRASTRUCTURE, message);
      attempts.failed(task, task.execution, task.ending.withFailure(failure), now, journal);
      return new Reply.Done();
    }
    long delay = Math.min(1_000_000_000L << task.publishFailures, MAX_DELAY_NANOS);
    task.deadlineNanos = now.nanos() + delay;
    task.phase = "publishing failed and is tried again: " + event.reason();
    journal.shown(task);
    return new Reply.Done();
  }
}
