package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.ExecutorId;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.Usage;
import com.google.common.collect.ImmutableList;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * An executor: registers, pulls, renews, reports, tries again when it hears nothing. It can be
 * killed, and it can stand still for longer than its leases live.
 */
final class Worker {
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final Duration RENEWAL = Duration.ofSeconds(10);
  private static final int SLOTS = 3;

  private final String name;
  private final VirtualTime time;
  private final Random random;
  private final Network network;
  private final Server server;
  private final Workload workload;
  private final Mirror mirror;
  private final Rules rules;
  private final Map<Fence, Effect.Grant> held = new LinkedHashMap<>();
  private int incarnation;
  private boolean up;
  private boolean calm;
  private boolean polling;
  private long frozenUntilNanos;

  Worker(
      String name,
      VirtualTime time,
      Random random,
      Network network,
      Server server,
      Workload workload,
      Mirror mirror,
      Rules rules) {
    this.name = name;
    this.time = time;
    this.random = random;
    this.network = network;
    this.server = server;
    this.workload = workload;
    this.mirror = mirror;
    this.rules = rules;
  }

  String name() {
    return name;
  }

  void calmDown() {
    calm = true;
  }

  void start() {
    if (!up) {
      up = true;
      incarnation++;
      register();
      after(RENEWAL, this::renew);
    }
  }

  /** SIGKILL: all builds are gone with it. */
  void kill() {
    up = false;
    incarnation++;
    polling = false;
    held.clear();
  }

  /** Nothing moves, and nothing is noticed, until the time is up. */
  void freeze(Duration howLong) {
    frozenUntilNanos = time.nanos() + howLong.toNanos();
  }

  private ExecutorId id() {
    return new ExecutorId(name, name + "-" + incarnation);
  }

  private void after(Duration delay, Runnable action) {
    int mine = incarnation;
    time.after(delay, () -> wake(mine, action));
  }

  private void wake(int mine, Runnable action) {
    if (!up || mine != incarnation) {
      return;
    }
    if (time.nanos() < frozenUntilNanos) {
      time.after(Duration.ofNanos(frozenUntilNanos - time.nanos()), () -> wake(mine, action));
    } else {
      action.run();
    }
  }

  private interface Then<T> {
    void on(Optional<T> answer);
  }

  private <T> void call(Duration deadline, Network.Request<T> request, Then<T> then) {
    int mine = incarnation;
    network.call(name, deadline, request, answer -> wake(mine, () -> then.on(answer)));
  }

  private void register() {
    Event.Register event =
        new Event.Register(id(), SLOTS, Workload.EXECUTOR, ImmutableList.copyOf(held.keySet()));
    this.<Reply>call(
        PATIENCE,
        answer -> server.register(event, answer),
        reply -> {
          if (reply.orElse(null) instanceof Reply.Registered registered) {
            registered.refused().forEach(this::drop);
            ask();
          } else {
            after(Duration.ofSeconds(1), this::register);
          }
        });
  }

  private void ask() {
    int free = SLOTS - held.size();
    if (polling || free == 0) {
      return;
    }
    polling = true;
    this.<Server.Leased>call(
        Duration.ofSeconds(40),
        answer -> server.lease(id(), free, answer),
        leased -> {
          polling = false;
          switch (leased.orElse(null)) {
            case Server.Leased.Grants some -> {
              some.grants().forEach(this::begin);
              ask();
            }
            case Server.Leased.RegisterFirst r -> register();
            case null -> after(Duration.ofSeconds(1), this::ask);
          }
        });
  }

  private void begin(Effect.Grant grant) {
    if (held.size() == SLOTS) {
      return; // came twice; it lapses
    }
    held.put(grant.fence(), grant);
    rules.started(grant);
    if (workload.lacksInputs(grant.definition(), mirror::has)) {
      after(
          Duration.ofMillis(500),
          () -> report(grant.fence(), answer -> server.inputsLost(grant, answer)));
    } else {
      after(Duration.ofMillis(500 + random.nextInt(60_000)), () -> finish(grant));
    }
  }

  private void finish(Effect.Grant grant) {
    if (!held.containsKey(grant.fence())) {
      return;
    }
    switch (workload.fateOf(grant.definition())) {
      case KILLS_ITS_EXECUTOR -> {
        kill();
        time.after(Duration.ofSeconds(2), this::start);
      }
      case DOES_NOT_COMPILE -> report(grant, FailureClass.RECIPE);
      case BUILDS, BREAKS_A_RULE -> {
        int luck = calm ? 100 : random.nextInt(100);
        if (luck < 2) {
          report(grant, FailureClass.OUT_OF_MEMORY);
        } else if (luck < 5) {
          report(grant, FailureClass.INFRASTRUCTURE);
        } else {
          report(
              new Event.Complete(
                  grant.fence(),
                  Ending.success(Workload.outputs(grant), Workload.digest("log"), Usage.NONE)));
        }
      }
    }
  }

  private void report(Effect.Grant grant, FailureClass failure) {
    report(
        new Event.Complete(
            grant.fence(),
            Ending.failure(new Failure(failure, "it broke"), Workload.digest("log"), Usage.NONE)));
  }

  private void report(Event.Complete event) {
    report(event.fence(), answer -> server.complete(event, answer));
  }

  private void report(Fence fence, Network.Request<Boolean> end) {
    if (!held.containsKey(fence)) {
      return;
    }
    call(
        PATIENCE,
        end,
        taken -> {
          if (taken.isPresent()) {
            drop(fence);
            ask();
          } else {
            after(Duration.ofMillis(500), () -> report(fence, end));
          }
        });
  }

  private void renew() {
    after(RENEWAL, this::renew);
    if (held.isEmpty()) {
      return;
    }
    Event.Renew event =
        new Event.Renew(
            id(),
            held.keySet().stream()
                .map(fence -> new Event.Progress(fence, "build"))
                .collect(ImmutableList.toImmutableList()));
    this.<Reply>call(
        PATIENCE,
        answer -> server.renew(event, answer),
        reply -> {
          switch (reply.orElse(null)) {
            case Reply.Renewed renewed -> {
              renewed.kill().forEach(this::drop);
              ask();
            }
            case Reply.UnknownExecutor unknown -> register();
            case null, default -> {}
          }
        });
  }

  private void drop(Fence fence) {
    held.remove(fence);
  }
}
