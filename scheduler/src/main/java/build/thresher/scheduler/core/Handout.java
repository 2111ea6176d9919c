package build.thresher.scheduler.core;

import build.thresher.scheduler.core.ExecutorPool.Poll;
import com.google.common.collect.ImmutableList;
import java.util.List;

/** Brings ready tasks and waiting executors together, and fails what nobody can run. */
final class Handout {
  private final CoreOptions options;
  private final long epoch;
  private final ReadyQueue ready;
  private final ExecutorPool pool;
  private final Attempts attempts;
  private final Lifecycle life;

  /** Until then a task does not fail for want of an executor: they are coming back. */
  private final long settledAtNanos;

  Handout(
      CoreOptions options,
      long epoch,
      ReadyQueue ready,
      ExecutorPool pool,
      Attempts attempts,
      Lifecycle life,
      long settledAtNanos) {
    this.options = options;
    this.epoch = epoch;
    this.ready = ready;
    this.pool = pool;
    this.attempts = attempts;
    this.life = life;
    this.settledAtNanos = settledAtNanos;
  }

  /** A ready task that nobody can run says so, and fails unless somebody may still come. */
  void failUnschedulable(Now now, Journal journal) {
    for (RequirementClass wanted : List.copyOf(ready.classes())) {
      if (wanted.poolVersion != pool.version()) {
        wanted.poolVersion = pool.version();
        match(wanted, now, journal);
      }
      Long since = wanted.unmatchedSinceNanos;
      if (since == null || !now.reached(settledAtNanos)) {
        continue;
      }
      boolean mayCome = pool.isEmpty() || wanted.tasks.stream().anyMatch(t -> t.attempt > 0);
      if (!mayCome || now.reached(since + options.schedulingGrace().toNanos())) {
        Failure failure = new Failure(FailureClass.UNSCHEDULABLE, wanted.reason);
        for (Task task : List.copyOf(wanted.tasks)) {
          life.fail(task, Ending.failure(failure), now, journal);
        }
      }
    }
  }

  private void match(RequirementClass wanted, Now now, Journal journal) {
    if (pool.members().stream().anyMatch(wanted::runsOn)) {
      wanted.unmatchedSinceNanos = null;
      wanted.reason = "";
      return;
    }
    wanted.reason = pool.reasonAgainst(wanted);
    if (wanted.unmatchedSinceNanos == null) {
      wanted.unmatchedSinceNanos = now.nanos();
    }
    for (Task task : wanted.tasks) {
      task.phase = wanted.reason;
      journal.shown(task);
    }
  }

  void answerPolls(Now now, Journal journal) {
    if (ready.isEmpty() || !pool.hasPolls()) {
      return;
    }
    for (Poll poll : pool.polls()) {
      if (poll.triedAt == ready.additions()) {
        continue;
      }
      poll.triedAt = ready.additions();
      ImmutableList<Effect.Grant> grants = grants(poll, now, journal);
      if (!grants.isEmpty()) {
        pool.unpark(poll.id);
        journal.effect(new Effect.AnswerPoll(poll.id, grants));
      }
    }
  }

  private ImmutableList<Effect.Grant> grants(Poll poll, Now now, Journal journal) {
    ImmutableList.Builder<Effect.Grant> grants = ImmutableList.builder();
    while (true) {
      String id = poll.executionIds.peek();
      ReadyQueue.Turn turn = id == null ? null : ready.take(c -> c.runsOn(poll.member));
      if (turn == null) {
        return grants.build();
      }
      poll.executionIds.remove();
      Task task = turn.task();
      String name = task.key().instance() + "/operations/" + id;
      Fence fence = new Fence(name, epoch, task.attempt + 1);
      Environment where = poll.member.capabilities.environmentFor(task.definition.requirements());
      Execution execution = new Execution(fence, poll.member.id, turn.client(), where, now.wall());
      attempts.lease(task, execution, now, journal);
      grants.add(new Effect.Grant(fence, task.definition, turn.client(), task.memoryLimitBytes));
    }
  }
}
