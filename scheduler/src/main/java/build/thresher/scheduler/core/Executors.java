package build.thresher.scheduler.core;

import build.thresher.scheduler.core.ExecutorPool.Member;
import build.thresher.scheduler.core.ExecutorPool.Poll;
import com.google.common.collect.ImmutableList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What executors say of themselves: that they are there, want work, and still hold leases. */
final class Executors {
  private final CoreOptions options;
  private final ReadyQueue ready;
  private final ExecutorPool pool;
  private final Executions executions;
  private final Attempts attempts;

  Executors(
      CoreOptions options,
      ReadyQueue ready,
      ExecutorPool pool,
      Executions executions,
      Attempts attempts) {
    this.options = options;
    this.ready = ready;
    this.pool = pool;
    this.executions = executions;
    this.attempts = attempts;
  }

  /** An executor is there; what it held under another incarnation is lost. */
  Reply register(Event.Register event, Now now, Journal journal) {
    ExecutorId id = event.executor();
    Member before = pool.register(new Member(id, event.slots(), event.capabilities(), now));
    if (before != null) {
      forget(before, journal);
    }
    ImmutableList.Builder<Fence> refused = ImmutableList.builder();
    for (Fence fence : event.held()) {
      Task task = heldBy(id, fence);
      if (task == null) {
        refused.add(fence);
      } else {
        attempts.extend(task, now);
      }
    }
    for (Task task : executions.leased()) {
      if (task.execution != null && task.execution.executor().isOtherLifeOf(id)) {
        attempts.lost(task, "executor " + id.name() + " was restarted", now, journal);
      }
    }
    return new Reply.Registered(refused.build());
  }

  /** The call waits until there is something for it. */
  Reply ask(Event.LeaseAsk event, Now now) {
    Member member = pool.seen(event.executor(), now);
    if (member == null) {
      return new Reply.UnknownExecutor();
    }
    pool.park(new Poll(event.pollId(), member, event.ids(), now.nanos() + event.waitNanos()));
    return new Reply.Done();
  }

  Reply hangUp(Event.PollGone event) {
    pool.unpark(event.pollId());
    return new Reply.Done();
  }

  Reply renew(Event.Renew event, Now now, Journal journal) {
    if (pool.seen(event.executor(), now) == null) {
      return new Reply.UnknownExecutor();
    }
    ImmutableList.Builder<Fence> kill = ImmutableList.builder();
    for (Event.Progress progress : event.leases()) {
      Task task = heldBy(event.executor(), progress.fence());
      if (task != null) {
        attempts.extend(task, now);
        if (!task.phase.equals(progress.phase())) {
          task.phase = progress.phase();
          journal.shown(task);
        }
      } else if (executions.publishedUnder(progress.fence()) == null) {
        kill.add(progress.fence());
      }
    }
    return new Reply.Renewed(kill.build());
  }

  private @Nullable Task heldBy(ExecutorId executor, Fence fence) {
    Task task = executions.leasedUnder(fence);
    boolean holds =
        task != null && task.execution != null && task.execution.executor().equals(executor);
    return holds ? task : null;
  }

  /** Executors that were not heard of for long are forgotten; calls get their empty answer. */
  void tick(Now now, Journal journal) {
    for (Member member : List.copyOf(pool.members())) {
      if (now.reached(member.lastSeen.nanos() + options.executorTimeout().toNanos())) {
        forget(member, journal);
        pool.remove(member);
      }
    }
    for (Poll poll : pool.polls()) {
      if (now.reached(poll.deadlineNanos)) {
        answerEmpty(poll, journal);
      }
    }
  }

  private void forget(Member member, Journal journal) {
    ready.classes().forEach(c -> c.forget(member));
    pool.pollsOf(member).forEach(poll -> answerEmpty(poll, journal));
  }

  private void answerEmpty(Poll poll, Journal journal) {
    pool.unpark(poll.id);
    journal.effect(new Effect.AnswerPoll(poll.id, ImmutableList.of()));
  }
}
