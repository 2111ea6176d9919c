package build.thresher.scheduler.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.scheduler.store.MemoryTaskStore;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * Thousands of random events, restarts and lost batches among them, with what must always hold
 * checked after each. Prints its seed; {@code -Dwalk.seed=N} replays it.
 */
class RandomWalkTest {
  private static final int WALKS = Integer.getInteger("walk.count", 500);
  private static final int STEPS = Integer.getInteger("walk.steps", 400);

  /** More than are ever open at a time. */
  private static final int MAX_TASKS = 1_000;

  @Test
  void whateverHappensEveryRequestEndsOnceAndNothingRunsTwice() throws Exception {
    long seed = Long.getLong("walk.seed", new Random().nextLong());
    System.out.println("random walk: replay with -Dwalk.seed=" + seed);
    for (int i = 0; i < WALKS; i++) {
      new Walk(new Random(seed + i), "seed " + seed + " walk " + i).run(STEPS);
    }
  }

  private static final class Walk {
    private final Random random;
    private final String label;
    private final MemoryTaskStore store = new MemoryTaskStore();
    private final Map<String, RequestState> finished = new HashMap<>();
    private final Set<String> submitted = new HashSet<>();
    private final Set<String> published = new HashSet<>();
    private final Map<Fence, Effect.Grant> held = new LinkedHashMap<>();
    private final Map<Fence, Effect.Publish> publishing = new LinkedHashMap<>();
    private final List<Fence> old = new ArrayList<>();
    private Core core;
    private long nanos;
    private Instant wall = Instant.EPOCH;
    private int ids;
    private long polls;

    Walk(Random random, String label) throws Exception {
      this.random = random;
      this.label = label;
      this.core = load();
      register();
    }

    private Core load() throws Exception {
      store.open();
      publishing.clear();
      Core loaded = Core.load(LimitsTest.withLimits(MAX_TASKS, MAX_TASKS), store.loadLive(), now());
      effects(loaded.resume());
      return loaded;
    }

    private Now now() {
      return new Now(nanos, wall);
    }

    void run(int steps) throws Exception {
      for (int i = 0; i < steps; i++) {
        step();
        check();
      }
      drain();
      assertEquals(submitted, finished.keySet(), label);
      CoreView.Counts counts = core.view().counts();
      assertEquals(new CoreView.Counts(0, 0, 0, 0, 0), counts, label);
      assertTrue(store.loadLive().tasks().isEmpty(), label);
      Definition[] asManyAsMayBe =
          IntStream.range(0, MAX_TASKS)
              .mapToObj(i -> CoreDriver.task("last" + i, "recipes0"))
              .toArray(Definition[]::new);
      assertEquals(new Reply.Accepted("last"), submit("last", "last0", asManyAsMayBe), label);
    }

    private void step() throws Exception {
      switch (random.nextInt(12)) {
        case 0, 1 -> submit();
        case 2, 3, 4 -> lease(1 + random.nextInt(3));
        case 5, 6 -> complete();
        case 7 -> publish();
        case 8 -> {
          if (random.nextInt(3) == 0 && !submitted.isEmpty()) {
            apply(new Event.Cancel("r" + random.nextInt(submitted.size())));
          }
        }
        case 9 -> pass(Duration.ofSeconds(random.nextInt(20)));
        case 10 -> stale();
        default -> {
          if (random.nextInt(4) == 0) {
            restart();
          } else {
            renew();
          }
        }
      }
    }

    /** A random part of a random graph; edges lead to lower numbers. */
    private void submit() throws Exception {
      String id = "r" + submitted.size();
      String recipes = "recipes" + random.nextInt(2);
      int nodes = 1 + random.nextInt(8);
      List<Definition> tasks = new ArrayList<>();
      for (int n = 0; n < nodes; n++) {
        List<String> dependencies = new ArrayList<>();
        for (int m = 0; m < n; m++) {
          if ((n * 7 + m * 5) % 3 == 0 && !published.contains("n" + m)) {
            dependencies.add("n" + m);
          }
        }
        if (!published.contains("n" + n)) {
          tasks.add(CoreDriver.task("n" + n, recipes, dependencies.toArray(new String[0])));
        }
      }
      submitted.add(id);
      submit(id, "n" + (nodes - 1), tasks.toArray(Definition[]::new));
    }

    private Reply submit(String id, String root, Definition... tasks) throws Exception {
      List<TaskKey> keys = Arrays.stream(tasks).map(Definition::key).toList();
      return apply(
          new Event.Submit(
              new RequestHead(
                  id,
                  "default",
                  "client" + random.nextInt(3),
                  WorkKind.SPACK,
                  new RequestHead.Options(
                      random.nextInt(4) == 0, random.nextBoolean(), random.nextInt(2)),
                  ImmutableList.of(root),
                  ImmutableList.of(),
                  ImmutableList.of(),
                  wall),
              ImmutableList.copyOf(tasks),
              ImmutableSet.of(),
              ImmutableList.copyOf(store.failures(keys, wall))));
    }

    private void register() throws Exception {
      for (String name : List.of("e0", "e1")) {
        ImmutableList<Fence> kept =
            held.values().stream()
                .map(Effect.Grant::fence)
                .filter(f -> owner.get(f) != null && name.equals(owner.get(f)))
                .collect(ImmutableList.toImmutableList());
        Reply reply =
            apply(new Event.Register(CoreDriver.executor(name), 4, CoreDriver.LINUX, kept));
        ((Reply.Registered) reply).refused().forEach(this::forget);
      }
    }

    private final Map<Fence, String> owner = new HashMap<>();

    private void forget(Fence fence) {
      held.remove(fence);
      old.add(fence);
    }

    private void lease(int max) throws Exception {
      String name = "e" + random.nextInt(2);
      ImmutableList.Builder<String> names = ImmutableList.builder();
      for (int i = 0; i < max; i++) {
        names.add("x" + ++ids);
      }
      asking = name;
      Reply reply = apply(new Event.LeaseAsk(++polls, CoreDriver.executor(name), names.build(), 0));
      if (reply instanceof Reply.UnknownExecutor) {
        register();
        return;
      }
      apply(new Event.PollGone(polls));
    }

    private String asking = "";

    private void complete() throws Exception {
      if (held.isEmpty()) {
        return;
      }
      List<Effect.Grant> all = List.copyOf(held.values());
      Effect.Grant grant = all.get(random.nextInt(all.size()));
      forget(grant.fence());
      String hash = grant.definition().key().hash();
      FailureClass[] classes = {
        FailureClass.RECIPE,
        FailureClass.INFRASTRUCTURE,
        FailureClass.OUT_OF_MEMORY,
        FailureClass.TIMEOUT,
        FailureClass.INPUT
      };
      int below = Integer.parseInt(hash.substring(1)) - 1;
      if (below >= 0 && random.nextInt(8) == 0) {
        published.remove("n" + below);
        apply(
            new Event.InputsLost(
                grant.fence(),
                Ending.failure(new Failure(FailureClass.INFRASTRUCTURE, "gone")),
                ImmutableList.of(CoreDriver.task("n" + below, "recipes0"))));
        return;
      }
      Ending ending =
          random.nextInt(3) > 0
              ? Ending.success(CoreDriver.outputs(hash), null, Usage.NONE)
              : Ending.failure(new Failure(classes[random.nextInt(classes.length)], "broke"));
      apply(new Event.Complete(grant.fence(), ending));
    }

    private void publish() throws Exception {
      if (publishing.isEmpty()) {
        return;
      }
      Effect.Publish next = publishing.values().iterator().next();
      Fence fence = next.execution().fence();
      switch (random.nextInt(5)) {
        case 0 -> {
          publishing.remove(fence);
          apply(new Event.PublishRefused(fence, new Failure(FailureClass.INPUT, "no")));
        }
        case 1 -> {
          publishing.remove(fence);
          apply(new Event.PublishFailed(fence, "later"));
        }
        default -> {
          publishing.remove(fence);
          published.add(next.definition().key().hash());
          apply(new Event.PublishDone(fence));
        }
      }
    }

    private void pass(Duration time) throws Exception {
      nanos += time.toNanos();
      wall = wall.plus(time);
      apply(new Event.Tick());
    }

    /** An executor that was given up on reports after all. */
    private void stale() throws Exception {
      if (old.isEmpty()) {
        return;
      }
      Fence fence = old.get(random.nextInt(old.size()));
      boolean valid = core.view().isRunning(fence.execution()); // its completion was lost
      Reply reply =
          apply(
              new Event.Complete(
                  fence, Ending.success(CoreDriver.outputs("stale"), null, Usage.NONE)));
      if (!valid && !lost) {
        assertEquals(new Reply.StaleFence(), reply, label);
      }
    }

    private void renew() throws Exception {
      for (String name : List.of("e0", "e1")) {
        ImmutableList<Event.Progress> leases =
            held.keySet().stream()
                .filter(f -> name.equals(owner.get(f)))
                .map(f -> new Event.Progress(f, "build"))
                .collect(ImmutableList.toImmutableList());
        if (apply(new Event.Renew(CoreDriver.executor(name), leases)) instanceof Reply.Renewed r) {
          r.kill().forEach(this::forget);
        } else {
          register();
        }
      }
    }

    private void restart() throws Exception {
      core = load();
      register();
    }

    /** One batch in twenty is lost: nobody hears of it, and the state is loaded again. */
    private Reply apply(Event event) throws Exception {
      Outcome outcome = core.apply(event, now());
      lost = false;
      boolean vital = event instanceof Event.Submit || event instanceof Event.Register;
      if (!vital && random.nextInt(20) == 0 && !draining) {
        restart();
        lost = true;
        return new Reply.Done();
      }
      store.commit(core.epoch(), outcome.changes());
      for (Change change : outcome.changes()) {
        if (change instanceof Change.RequestFinished f) {
          assertNull(finished.put(f.head().id(), f.state()), () -> label + ": ended twice " + f);
        }
      }
      effects(outcome);
      return outcome.reply();
    }

    private boolean draining;
    private boolean lost;

    private void effects(Outcome outcome) {
      for (Effect effect : outcome.effects()) {
        switch (effect) {
          case Effect.AnswerPoll e ->
              e.grants()
                  .forEach(
                      g -> {
                        held.put(g.fence(), g);
                        owner.put(g.fence(), asking);
                      });
          case Effect.Publish e -> publishing.put(e.execution().fence(), e);
          case Effect.TaskChanged e -> {}
          case Effect.RequestFinished e -> {}
        }
      }
    }

    private void check() throws Exception {
      Map<TaskKey, Fence> running = new HashMap<>();
      LiveState stored = store.loadLive();
      for (LiveState.LiveTask live : stored.tasks()) {
        TaskSnapshot task = live.task();
        assertFalse(task.state().isDone(), () -> label + ": a task that is over is live " + task);
        Execution execution = task.execution();
        if (task.state() == TaskState.LEASED && execution != null) {
          assertNull(
              running.put(task.key(), execution.fence()),
              () -> label + ": two executions of " + task.key());
          assertTrue(task.waitsFor().isEmpty(), () -> label + ": leased too early " + task);
          assertTrue(task.spent() <= 3, () -> label + ": too many attempts " + task);
        }
      }
      assertEquals(
          stored.tasks().stream().map(t -> t.task().key()).distinct().count(),
          stored.tasks().size(),
          () -> label + ": two live tasks of one key");
      for (LiveState.LiveRequest request : stored.requests()) {
        assertFalse(finished.containsKey(request.head().id()), label);
        assertTrue(
            request.holds().stream().anyMatch(h -> h.ended() == null),
            () -> label + ": nothing is open, but it has not ended: " + request.head().id());
      }
    }

    /** From here on everything works. */
    private void drain() throws Exception {
      draining = true;
      for (int i = 0; i < 10_000 && finished.size() < submitted.size(); i++) {
        pass(Duration.ofSeconds(31));
        register();
        for (Effect.Publish next : List.copyOf(publishing.values())) {
          publishing.remove(next.execution().fence());
          apply(new Event.PublishDone(next.execution().fence()));
        }
        lease(8);
        for (Effect.Grant grant : List.copyOf(held.values())) {
          forget(grant.fence());
          apply(
              new Event.Complete(
                  grant.fence(),
                  Ending.success(
                      CoreDriver.outputs(grant.definition().key().hash()), null, Usage.NONE)));
        }
      }
      for (int i = 0; i < 20 && core.view().counts().publishing() > 0; i++) {
        for (Effect.Publish next : List.copyOf(publishing.values())) {
          apply(new Event.PublishDone(next.execution().fence()));
        }
        pass(Duration.ofSeconds(31));
      }
    }
  }
}
