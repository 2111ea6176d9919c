package build.thresher.scheduler.core;

import build.thresher.scheduler.core.ExecutorPool.Member;
import build.thresher.scheduler.core.ExecutorPool.Poll;
import com.google.common.collect.ImmutableList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The scheduler as a state machine: an event and the time go in, what to store and what to do then
 * come out.
 *
 * <p>Guarantees: the same events at the same times lead to the same outcomes; every live task is
 * held by a request or waited for by a task that is, until its result is being published; at most
 * one execution of a task holds a valid fence.
 *
 * <p>The state changes in place. Whoever cannot store an outcome throws the core away and loads it
 * again from what was stored.
 *
 * <p>Threading: one thread at a time.
 */
public final class Core {
  private static final long MAX_PUBLISH_DELAY_NANOS = 30_000_000_000L;
  private static final int MAX_PUBLISH_FAILURES = 10;

  private final CoreOptions options;
  private final long epoch;
  private final TaskGraph graph;
  private final ReadyQueue ready = new ReadyQueue();
  private final ExecutorPool pool = new ExecutorPool();
  private final Lifecycle life;

  /** Until then a task does not fail for want of an executor: they are coming back. */
  private final long settledAtNanos;

  private Core(CoreOptions options, LiveState live, Now now) {
    this.options = options;
    this.epoch = live.epoch();
    this.graph = new TaskGraph(live.durations());
    this.life = new Lifecycle(options, graph, ready);
    this.settledAtNanos =
        now.nanos() + (live.requests().isEmpty() ? 0 : options.schedulingGrace().toNanos());
  }

  /** A core that goes on where the store says that the last one stopped. */
  public static Core load(CoreOptions options, LiveState live, Now now) {
    Core core = new Core(options, live, now);
    new Loader(core.graph, core.ready, core.life).load(live, now, options);
    return core;
  }

  /** What has to be done first: results that were about to be published. */
  public Outcome resume() {
    Journal journal = new Journal();
    for (Task task : life.publishing()) {
      if (task.execution != null) {
        life.emitPublish(task, task.execution, journal);
      }
    }
    return journal.close(new Reply.Done());
  }

  public long epoch() {
    return epoch;
  }

  /** Lets an event happen. */
  public Outcome apply(Event event, Now now) {
    Journal journal = new Journal();
    Reply reply =
        switch (event) {
          case Event.Submit e -> submit(e, now, journal);
          case Event.SubmitAgain e -> new Reply.Accepted(e.requestId());
          case Event.Cancel e -> cancel(e, now, journal);
          case Event.Register e -> register(e, now, journal);
          case Event.LeaseAsk e -> leaseAsk(e, now);
          case Event.PollGone e -> pollGone(e);
          case Event.Undelivered e -> undelivered(e, journal);
          case Event.Renew e -> renew(e, now, journal);
          case Event.Complete e -> complete(e, now, journal);
          case Event.InputsLost e -> inputsLost(e, now, journal);
          case Event.PublishDone e -> publishDone(e, now, journal);
          case Event.PublishRefused e -> publishRefused(e, now, journal);
          case Event.PublishFailed e -> publishFailed(e, now, journal);
          case Event.Tick e -> tick(now, journal);
        };
    failUnschedulable(now, journal);
    answerPolls(now, journal);
    return journal.close(reply);
  }

  // Requests

  private Reply submit(Event.Submit event, Now now, Journal journal) {
    RequestHead head = withCached(event.head(), event);
    if (life.requests().containsKey(head.id())) {
      return new Reply.Accepted(head.id());
    }
    int open = openTasksOf(head.client()) + event.tasks().size();
    if (open > options.maxTasksPerClient()) {
      return new Reply.OverLimit(
          head.client()
              + " would have "
              + open
              + " unfinished tasks; at most "
              + options.maxTasksPerClient()
              + " are accepted; wait for some to end");
    }
    Request request = new Request(head);
    life.requests().put(head.id(), request);
    journal.store(new Change.RequestPut(head));
    Memory memory = new Memory(event, pool);
    Map<String, Definition> lost = new LinkedHashMap<>();
    List<Task> created = new ArrayList<>();
    for (Definition definition : event.tasks()) {
      if (!event.published().contains(definition.key().hash())) {
        join(request, definition, memory, lost, created, now, journal);
      }
    }
    graph.measurePaths(created, ready::add);
    for (Task task : created) {
      journal.changed(task);
      if (task.waitsFor.isEmpty()) {
        life.makeReady(task, "", journal);
      }
    }
    lost.values().stream()
        .findFirst()
        .ifPresent(d -> life.stopIfFailFast(request, d.name(), now, journal));
    life.finishIfOver(request, now, journal);
    return new Reply.Accepted(head.id());
  }

  private void join(
      Request request,
      Definition wanted,
      Memory memory,
      Map<String, Definition> lost,
      List<Task> created,
      Now now,
      Journal journal) {
    Hold hold = new Hold(request, request.holds.size(), wanted);
    request.holds.put(wanted.key().hash(), hold);
    request.open++;
    String dependency =
        wanted.dependsOn().stream().filter(lost::containsKey).findFirst().orElse(null);
    RememberedFailure remembered = memory.of(wanted);
    if (dependency != null || remembered != null) {
      TaskState state = remembered != null ? TaskState.FAILED : TaskState.SKIPPED;
      lost.put(wanted.key().hash(), wanted);
      Ending ending = remembered == null ? Ending.NONE : Memory.ending(remembered);
      life.settle(hold, TaskSnapshot.unborn(wanted, state, ending, now.wall()), journal);
      return;
    }
    Task task = graph.find(wanted.key());
    if (task == null) {
      task = graph.create(wanted);
      journal.store(new Change.TaskDefined(task.id, wanted));
      graph.link(task);
      created.add(task);
    }
    life.attach(hold, task, journal);
    if (task.state == TaskState.READY) {
      ready.add(task); // its new holder's client may have a better turn
    }
  }

  private static RequestHead withCached(RequestHead head, Event.Submit event) {
    return new RequestHead(
        head.id(),
        head.instance(),
        head.client(),
        head.kind(),
        head.options(),
        head.roots(),
        ImmutableList.<String>builder().addAll(head.cached()).addAll(event.published()).build(),
        head.externals(),
        head.created());
  }

  private int openTasksOf(String client) {
    return life.requests().values().stream()
        .filter(r -> r.head.client().equals(client))
        .mapToInt(r -> r.open)
        .sum();
  }

  private Reply cancel(Event.Cancel event, Now now, Journal journal) {
    Request request = life.requests().get(event.requestId());
    if (request == null) {
      return new Reply.UnknownRequest();
    }
    life.cancel(request, now, journal);
    return new Reply.Done();
  }

  // Executors

  private Reply register(Event.Register event, Now now, Journal journal) {
    Member member = new Member(event.executor(), event.slots(), event.capabilities(), now);
    Member before = pool.register(member);
    if (before != null) {
      forget(before, journal);
    }
    ImmutableList.Builder<Fence> refused = ImmutableList.builder();
    for (Fence fence : event.held()) {
      Task task = leasedUnder(fence, event.executor());
      if (task == null) {
        refused.add(fence);
      } else {
        extend(task, now);
      }
    }
    for (Task task : List.copyOf(life.leased())) {
      Execution execution = task.execution;
      if (execution != null
          && execution.executor().name().equals(event.executor().name())
          && !execution.executor().equals(event.executor())) {
        lost(
            task,
            execution,
            "executor " + event.executor().name() + " was restarted",
            now,
            journal);
      }
    }
    return new Reply.Registered(refused.build());
  }

  private void forget(Member member, Journal journal) {
    ready.classes().forEach(c -> c.forget(member));
    for (Poll poll : pool.pollsOf(member)) {
      pool.unpark(poll.id);
      journal.effect(new Effect.AnswerPoll(poll.id, ImmutableList.of()));
    }
  }

  private Reply leaseAsk(Event.LeaseAsk event, Now now) {
    Member member = pool.seen(event.executor(), now);
    if (member == null) {
      return new Reply.UnknownExecutor();
    }
    pool.park(new Poll(event.pollId(), member, event.ids(), now.nanos() + event.waitNanos()));
    return new Reply.Done();
  }

  private Reply pollGone(Event.PollGone event) {
    pool.unpark(event.pollId());
    return new Reply.Done();
  }

  private Reply undelivered(Event.Undelivered event, Journal journal) {
    Task task = leasedUnder(event.fence(), null);
    if (task == null) {
      return new Reply.StaleFence();
    }
    life.takeBack(task, journal);
    return new Reply.Done();
  }

  private Reply renew(Event.Renew event, Now now, Journal journal) {
    if (pool.seen(event.executor(), now) == null) {
      return new Reply.UnknownExecutor();
    }
    ImmutableList.Builder<Fence> kill = ImmutableList.builder();
    for (Event.Progress progress : event.leases()) {
      Task task = leasedUnder(progress.fence(), event.executor());
      if (task != null) {
        extend(task, now);
        if (!task.phase.equals(progress.phase())) {
          task.phase = progress.phase();
          journal.shown(task);
        }
      } else if (published(progress.fence()) == null) {
        kill.add(progress.fence());
      }
    }
    return new Reply.Renewed(kill.build());
  }

  private void extend(Task task, Now now) {
    task.deadlineNanos = now.nanos() + options.leaseTerm().toNanos();
  }

  private @Nullable Task leasedUnder(Fence fence, @Nullable ExecutorId executor) {
    Task task = graph.findExecution(fence.execution());
    boolean holds =
        task != null
            && task.state == TaskState.LEASED
            && task.execution != null
            && task.execution.fence().equals(fence)
            && (executor == null || task.execution.executor().equals(executor));
    return holds ? task : null;
  }

  private @Nullable Task published(Fence fence) {
    Task task = graph.findExecution(fence.execution());
    return task != null && task.state == TaskState.PUBLISHING && task.holdsFence(fence)
        ? task
        : null;
  }

  // Executions

  private Reply complete(Event.Complete event, Now now, Journal journal) {
    if (published(event.fence()) != null) {
      return new Reply.Done(); // said twice
    }
    Task task = leasedUnder(event.fence(), null);
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    if (event.ending().outputs() != null) {
      life.ran(task, event.ending(), task.execution, now, journal);
    } else {
      attemptFailed(task, task.execution, event.ending(), now, journal);
    }
    return new Reply.Done();
  }

  private Reply inputsLost(Event.InputsLost event, Now now, Journal journal) {
    Task task = leasedUnder(event.fence(), null);
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    if (event.producers().isEmpty() || task.spent >= options.maxAttempts()) {
      attemptFailed(task, task.execution, event.ending(), now, journal);
    } else {
      life.makeAgain(task, task.execution, event.ending(), event.producers(), now, journal);
    }
    return new Reply.Done();
  }

  private Reply publishDone(Event.PublishDone event, Now now, Journal journal) {
    Task task = published(event.fence());
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    life.succeed(task, task.execution, now, journal);
    return new Reply.Done();
  }

  private Reply publishRefused(Event.PublishRefused event, Now now, Journal journal) {
    Task task = published(event.fence());
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    attemptFailed(task, task.execution, task.ending.withFailure(event.failure()), now, journal);
    return new Reply.Done();
  }

  private Reply publishFailed(Event.PublishFailed event, Now now, Journal journal) {
    Task task = published(event.fence());
    if (task == null || task.execution == null) {
      return new Reply.StaleFence();
    }
    task.publishFailures++;
    if (task.publishFailures >= MAX_PUBLISH_FAILURES) {
      String message = "the result could not be published: " + event.reason();
      Failure failure = new Failure(FailureClass.INFRASTRUCTURE, message);
      attemptFailed(task, task.execution, task.ending.withFailure(failure), now, journal);
      return new Reply.Done();
    }
    long delay = Math.min(1_000_000_000L << task.publishFailures, MAX_PUBLISH_DELAY_NANOS);
    task.deadlineNanos = now.nanos() + delay;
    task.phase = "publishing failed and is tried again: " + event.reason();
    journal.shown(task);
    return new Reply.Done();
  }

  private void attemptFailed(
      Task task, Execution execution, Ending ending, Now now, Journal journal) {
    life.attemptFailed(task, execution, ending, pool.largestMemoryBytes(), now, journal);
  }

  private void lost(Task task, Execution execution, String why, Now now, Journal journal) {
    Failure failure = new Failure(FailureClass.INFRASTRUCTURE, why);
    attemptFailed(task, execution, Ending.failure(failure), now, journal);
  }

  // Time, and handing out

  private Reply tick(Now now, Journal journal) {
    for (Task task : List.copyOf(life.leased())) {
      Execution execution = task.execution;
      if (execution != null && now.reached(task.deadlineNanos)) {
        String name = execution.executor().name();
        String why =
            "executor " + name + " was not heard of for " + options.leaseTerm().toSeconds() + " s";
        lost(task, execution, why, now, journal);
      }
    }
    for (Task task : life.publishing()) {
      if (task.execution != null
          && task.deadlineNanos != Long.MAX_VALUE
          && now.reached(task.deadlineNanos)) {
        life.emitPublish(task, task.execution, journal);
      }
    }
    for (Member member : List.copyOf(pool.members())) {
      if (now.reached(member.lastSeen.nanos() + options.executorTimeout().toNanos())) {
        forget(member, journal);
        pool.remove(member);
      }
    }
    for (Poll poll : pool.polls()) {
      if (now.reached(poll.deadlineNanos)) {
        pool.unpark(poll.id);
        journal.effect(new Effect.AnswerPoll(poll.id, ImmutableList.of()));
      }
    }
    return new Reply.Done();
  }

  /** A ready task that nobody can run says so, and fails unless somebody may still come. */
  private void failUnschedulable(Now now, Journal journal) {
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

  private void answerPolls(Now now, Journal journal) {
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
      life.lease(task, execution, now, journal);
      grants.add(new Effect.Grant(fence, task.definition, turn.client(), task.memoryLimitBytes));
    }
  }

  /** What may be asked about the state. */
  public CoreView view() {
    return new CoreView(life, graph, pool);
  }
}
