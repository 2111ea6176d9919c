package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.Core;
import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.core.CoreView;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.ExecutorId;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.LiveState;
import build.thresher.scheduler.core.Outcome;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.Usage;
import build.thresher.scheduler.store.TaskStore;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The production core between a simulated disk and a simulated network. Batches, answers and
 * effects go as {@code CoreLoop} and the gRPC services let them go: nobody hears of anything that
 * is not on disk, but for what the core says may be forgotten.
 */
final class Server {
  private static final Duration TICK = Duration.ofSeconds(1);
  private static final Duration LEASE_WAIT = Duration.ofSeconds(30);
  private static final int FAILED_SYNCS_PER_THOUSAND = 3;

  private final VirtualTime time;
  private final Random random;
  private final Disk disk;
  private final Mirror mirror;
  private final Workload workload;
  private final Rules rules;

  private final List<Item> inbox = new ArrayList<>();
  private final Map<Long, Consumer<Leased>> polls = new HashMap<>();
  private final Map<String, List<Consumer<RequestState>>> waiters = new HashMap<>();
  private @Nullable Core core;
  private boolean busy;
  private boolean calm;
  private int life;
  private long pollIds;
  private long executionIds;
  private int starts;

  private sealed interface Item {
    record Apply(Event event, Consumer<Reply> answer) implements Item {}

    record Ask(Consumer<CoreView> question) implements Item {}
  }

  /** The answer to a call for work. */
  sealed interface Leased {
    record Grants(ImmutableList<Effect.Grant> grants) implements Leased {}

    record RegisterFirst() implements Leased {}
  }

  Server(
      VirtualTime time, Random random, Disk disk, Mirror mirror, Workload workload, Rules rules) {
    this.time = time;
    this.random = random;
    this.disk = disk;
    this.mirror = mirror;
    this.workload = workload;
    this.rules = rules;
  }

  int starts() {
    return starts;
  }

  void calmDown() {
    calm = true;
  }

  // Life

  void start() {
    if (core == null) {
      load();
      int mine = life;
      time.after(TICK, () -> tick(mine));
    }
  }

  /** SIGKILL, or the power is cut. */
  void crash() {
    life++;
    core = null;
    busy = false;
    inbox.clear();
    polls.clear();
    waiters.clear();
    rules.lost(disk.lose(random));
  }

  private void load() {
    starts++;
    disk.takeOver();
    LiveState live = disk.ask(TaskStore::loadLive);
    Core loaded = Core.load(CoreOptions.DEFAULTS, live, time.now());
    core = loaded;
    rules.loaded(live);
    loaded.resume().effects().forEach(this::run);
  }

  private void tick(int mine) {
    if (mine == life && core != null) {
      post(new Event.Tick());
      time.after(TICK, () -> tick(mine));
    }
  }

  // What clients call

  /** The request's id once it is accepted; nothing if it was refused. */
  void execute(Workload.Order order, Consumer<Boolean> answer) {
    ask(
        view -> {
          if (view.request(order.id()).isPresent() || finished(order.id()).isPresent()) {
            answer.accept(true);
            return;
          }
          // Reading a large document takes its time, outside the core.
          later(
              Duration.ofMillis(1 + random.nextInt(300)),
              () ->
                  apply(
                      workload.expand(order, mirror::has, time.now().wall()),
                      reply -> answer.accept(reply instanceof Reply.Accepted)));
        });
  }

  /** Answers when the request has ended. */
  void await(String request, Consumer<RequestState> answer) {
    ask(
        view -> {
          if (view.request(request).isPresent()) {
            waiters.computeIfAbsent(request, id -> new ArrayList<>()).add(answer);
          } else {
            finished(request).ifPresentOrElse(answer, () -> rules.lost(request));
          }
        });
  }

  void cancel(String request, Consumer<Reply> answer) {
    apply(new Event.Cancel(request), answer);
  }

  private Optional<RequestState> finished(String request) {
    return disk.ask(store -> store.finishedRequest(request)).map(r -> r.state());
  }

  // What executors call

  void register(Event.Register event, Consumer<Reply> answer) {
    apply(event, answer);
  }

  void renew(Event.Renew event, Consumer<Reply> answer) {
    apply(event, answer);
  }

  void lease(ExecutorId executor, int slots, Consumer<Leased> answer) {
    ImmutableList.Builder<String> ids = ImmutableList.builder();
    for (int i = 0; i < slots; i++) {
      ids.add("x" + ++executionIds);
    }
    long poll = ++pollIds;
    polls.put(poll, answer);
    apply(
        new Event.LeaseAsk(poll, executor, ids.build(), LEASE_WAIT.toNanos()),
        reply -> {
          if (reply instanceof Reply.UnknownExecutor) {
            polls.remove(poll);
            answer.accept(new Leased.RegisterFirst());
          }
        });
  }

  /** True when the report was taken, now or before; false when the lease is over. */
  void complete(Event.Complete event, Consumer<Boolean> answer) {
    apply(
        event,
        reply -> answer.accept(!(reply instanceof Reply.StaleFence) || endedBefore(event.fence())));
  }

  /** The executor found results of others missing. Nobody is believed: the mirror is asked. */
  void inputsLost(Effect.Grant grant, Consumer<Boolean> answer) {
    if (core == null) {
      return;
    }
    Ending ending =
        Ending.failure(
            new Failure(FailureClass.INFRASTRUCTURE, "inputs are missing"),
            Workload.digest("log"),
            Usage.NONE);
    ImmutableList<Definition> producers = workload.lostInputs(grant.definition(), mirror::has);
    Event event =
        producers.isEmpty()
            ? new Event.Complete(grant.fence(), ending)
            : new Event.InputsLost(grant.fence(), ending, producers);
    apply(
        event,
        reply -> answer.accept(!(reply instanceof Reply.StaleFence) || endedBefore(grant.fence())));
  }

  private boolean endedBefore(Fence fence) {
    Predicate<Change.ExecutionEnded> reported =
        e ->
            e.execution().fence().equals(fence)
                && (e.ending().outputs() != null || e.ending().log() != null);
    return disk.ask(store -> store.execution(fence.execution())).filter(reported).isPresent();
  }

  // The loop

  private void apply(Event event, Consumer<Reply> answer) {
    enqueue(new Item.Apply(event, answer));
  }

  private void post(Event event) {
    apply(event, reply -> {});
  }

  private void ask(Consumer<CoreView> question) {
    enqueue(new Item.Ask(question));
  }

  private void enqueue(Item item) {
    if (core != null) { // else the connection is refused
      inbox.add(item);
      if (!busy) {
        busy = true;
        later(Duration.ZERO, this::process);
      }
    }
  }

  private void later(Duration delay, Runnable action) {
    int mine = life;
    time.after(
        delay,
        () -> {
          if (mine == life && core != null) {
            action.run();
          }
        });
  }

  private void process() {
    Core current = core;
    if (current == null || inbox.isEmpty()) {
      busy = false;
      return;
    }
    List<Item> batch = List.copyOf(inbox);
    inbox.clear();
    List<Item.Apply> applied = new ArrayList<>();
    List<Outcome> outcomes = new ArrayList<>();
    List<Change> changes = new ArrayList<>();
    for (Item item : batch) {
      if (item instanceof Item.Apply apply) {
        Event event = prepare(apply.event());
        Outcome outcome = current.apply(event, time.now());
        applied.add(new Item.Apply(event, apply.answer()));
        outcomes.add(outcome);
        changes.addAll(outcome.changes());
      }
    }
    boolean mustLast = outcomes.stream().anyMatch(Outcome::mustLast);
    boolean tick = applied.stream().anyMatch(a -> a.event() instanceof Event.Tick);
    if (!changes.isEmpty()) {
      disk.write(current.epoch(), changes);
      rules.written(changes);
    }
    if (disk.isSynced() || !(mustLast || tick)) {
      stored(batch, applied, outcomes);
      return;
    }
    later(
        Duration.ofNanos(50_000 + random.nextInt(8_000_000)),
        () -> {
          if (!calm && random.nextInt(1000) < FAILED_SYNCS_PER_THOUSAND) {
            reload();
          } else {
            disk.sync();
            rules.synced();
            stored(batch, applied, outcomes);
          }
        });
  }

  /** What is only known on the core's thread. */
  private Event prepare(Event event) {
    if (!(event instanceof Event.Submit submit)) {
      return event;
    }
    if (finished(submit.head().id()).isPresent()) {
      return new Event.SubmitAgain(submit.head().id());
    }
    List<TaskKey> keys = submit.tasks().stream().map(Definition::key).toList();
    return new Event.Submit(
        submit.head(),
        submit.tasks(),
        keys.stream().filter(mirror::has).map(TaskKey::hash).collect(ImmutableSet.toImmutableSet()),
        disk.ask(store -> ImmutableList.copyOf(store.failures(keys, time.now().wall()))));
  }

  private void stored(List<Item> batch, List<Item.Apply> applied, List<Outcome> outcomes) {
    for (int i = 0; i < outcomes.size(); i++) {
      rules.applied(applied.get(i).event(), outcomes.get(i));
    }
    for (int i = 0; i < outcomes.size(); i++) {
      applied.get(i).answer().accept(outcomes.get(i).reply());
    }
    outcomes.forEach(o -> o.effects().forEach(this::run));
    for (Item item : batch) {
      if (item instanceof Item.Ask question && core != null) {
        question.question().accept(core.view());
      }
    }
    later(Duration.ZERO, this::process);
  }

  /** The batch could not be stored: callers hear nothing, and the state is loaded again. */
  private void reload() {
    rules.lost(disk.lose(random));
    polls.clear();
    waiters.clear();
    load();
    later(Duration.ZERO, this::process);
  }

  private void run(Effect effect) {
    switch (effect) {
      case Effect.AnswerPoll e -> {
        e.grants().forEach(rules::handedOut);
        Consumer<Leased> waiting = polls.remove(e.pollId());
        if (waiting != null) {
          waiting.accept(new Leased.Grants(e.grants()));
        } else {
          e.grants().forEach(grant -> post(new Event.Undelivered(grant.fence())));
        }
      }
      case Effect.Publish e -> later(Duration.ofMillis(1 + random.nextInt(50)), () -> publish(e));
      case Effect.TaskChanged e -> {}
      case Effect.RequestFinished e -> {
        String id = e.request().head().id();
        RequestSnapshot stored = disk.ask(store -> store.finishedRequest(id)).orElseThrow();
        rules.told(e.request(), stored);
        List<Consumer<RequestState>> hear = waiters.remove(id);
        if (hear != null) {
          hear.forEach(waiter -> waiter.accept(stored.state()));
        }
      }
    }
  }

  private void publish(Effect.Publish result) {
    Fence fence = result.execution().fence();
    TaskKey key = result.definition().key();
    if (workload.fateOf(result.definition()) == Workload.Fate.BREAKS_A_RULE) {
      post(
          new Event.PublishRefused(
              fence, new Failure(FailureClass.INPUT, "the archive breaks a rule")));
    } else if (!calm && random.nextInt(100) < 3) {
      post(new Event.PublishFailed(fence, "the disk is slow"));
    } else {
      rules.publishes(key, fence);
      mirror.publish(key, fence);
      post(new Event.PublishDone(fence));
    }
  }
}
