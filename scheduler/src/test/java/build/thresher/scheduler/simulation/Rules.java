package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Execution;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.LiveState;
import build.thresher.scheduler.core.Outcome;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.core.TaskState;
import com.google.errorprone.annotations.FormatMethod;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What must always hold, told from outside: from the records that were stored, from what was
 * answered, and from what executors really ran.
 */
final class Rules {
  private final Mirror mirror;
  private final Workload workload;
  private final boolean eachRunsOnce;

  private final Map<Long, TaskSnapshot> tasks = new HashMap<>();
  private final Map<TaskKey, Long> byKey = new HashMap<>();
  private final Map<Long, Definition> definitions = new HashMap<>();
  private final Map<String, RequestHead> live = new HashMap<>();
  private final Map<String, RequestState> finished = new HashMap<>();

  /** When requests began and tasks were last published, counted in losses of the mirror. */
  private final Map<String, Integer> begun = new HashMap<>();

  private final Map<TaskKey, Integer> publishedSince = new HashMap<>();
  private final Set<String> heldEnds = new HashSet<>();
  private final Set<String> endedExecutions = new HashSet<>();
  private final Set<String> ordered = new LinkedHashSet<>();
  private final Map<TaskKey, Integer> runs = new HashMap<>();
  private final Leases leases = new Leases();

  /** Batches that a power cut may undo, oldest first; what their tasks were before them. */
  private final List<List<Change>> unsynced = new ArrayList<>();

  private final Map<Long, TaskSnapshot> before = new HashMap<>();
  private int ears;
  private int madeAgain;
  private long tasksEnded;

  /**
   * @param eachRunsOnce true in a world without failures, where nothing may be built twice
   */
  Rules(Mirror mirror, Workload workload, boolean eachRunsOnce) {
    this.mirror = mirror;
    this.workload = workload;
    this.eachRunsOnce = eachRunsOnce;
  }

  // What clients see

  void ordered(String request) {
    ordered.add(request);
  }

  void accepted(String request) {
    check(
        live.containsKey(request) || finished.containsKey(request),
        "%s was accepted and is not on disk",
        request);
  }

  /** The server knows nothing of a request that somebody waits for. */
  void lost(String request) {
    check(false, "%s was accepted and nothing is known of it", request);
  }

  /** What is told of a request that has ended, and what is stored of it. */
  void told(RequestSnapshot told, RequestSnapshot stored) {
    check(
        told.state() == stored.state() && ends(told).equals(ends(stored)),
        "%s ended as %s, and those who wait are told %s",
        told.head().id(),
        stored,
        told);
  }

  private static Map<TaskKey, TaskState> ends(RequestSnapshot request) {
    return request.tasks().stream()
        .collect(Collectors.toMap(TaskSnapshot::key, TaskSnapshot::state));
  }

  void heard(String request, RequestState state) {
    ears++;
    check(
        state == finished.get(request),
        "one who waits for %s heard %s, but it ended as %s",
        request,
        state,
        finished.get(request));
  }

  // What executors do

  void started(Effect.Grant grant) {
    int count = runs.merge(grant.definition().key(), 1, Integer::sum);
    check(!eachRunsOnce || count == 1, "%s runs twice", grant.definition().key());
  }

  // What the server does

  /** Only a result that is stored as the task's own may become visible. */
  void publishes(TaskKey key, Fence fence) {
    TaskSnapshot task = tasks.get(byKey.getOrDefault(key, -1L));
    Fence winner = mirror.winner(key);
    check(
        Objects.equals(winner, fence)
            || (task != null
                && task.state() == TaskState.PUBLISHING
                && fence.equals(fenceOf(task))),
        "%s is published by %s, but the task is %s",
        key,
        fence,
        task);
  }

  void handedOut(Effect.Grant grant) {
    leases.handedOut(grant.fence(), tasks.get(byKey.getOrDefault(grant.definition().key(), -1L)));
  }

  /** A batch is on its way to the disk, and nobody has been told. */
  void written(List<Change> changes) {
    unsynced.add(changes);
    for (Change change : changes) {
      if (change instanceof Change.TaskPut put && tasks.get(put.task().id()) != null) {
        before.putIfAbsent(put.task().id(), tasks.get(put.task().id()));
      }
    }
  }

  /** All that was written is on disk. */
  void synced() {
    unsynced.clear();
    before.clear();
  }

  /**
   * The power was cut.
   *
   * @param kept batches that are there although nobody knows
   */
  void lost(int kept) {
    List<List<Change>> survived = List.copyOf(unsynced.subList(0, kept));
    Map<Long, TaskSnapshot> told = new HashMap<>();
    before.forEach((id, task) -> told.put(id, Objects.requireNonNull(tasks.put(id, task))));
    synced();
    survived.forEach(changes -> changes.forEach(this::stored));
    told.forEach((id, task) -> leases.lost(task, tasks.get(id)));
  }

  /** An event whose consequences are stored, and on disk if they must last. */
  void applied(Event event, Outcome outcome) {
    if (event instanceof Event.Complete complete && outcome.reply() instanceof Reply.Done) {
      Fence fence = complete.fence();
      check(
          tasks.values().stream()
              .anyMatch(
                  t ->
                      fence.equals(fenceOf(t))
                          && (t.state() == TaskState.LEASED || t.state() == TaskState.PUBLISHING)),
          "a result under %s was taken, but nobody holds that fence",
          fence);
    }
    if (event instanceof Event.InputsLost && outcome.reply() instanceof Reply.Done) {
      madeAgain++;
    }
    if (event instanceof Event.Undelivered lease && outcome.reply() instanceof Reply.Done) {
      leases.undelivered(lease.fence());
    }
    check(
        outcome.mustLast() || outcome.changes().stream().allMatch(Change.TaskPut.class::isInstance),
        "%s could be forgotten, and with it %s",
        event,
        outcome.changes());
    outcome.changes().forEach(this::stored);
  }

  /** After a start, the state is what the records said. */
  void loaded(LiveState state) {
    Set<Long> ids = state.tasks().stream().map(t -> t.task().id()).collect(Collectors.toSet());
    check(ids.equals(tasks.keySet()), "live tasks %s were loaded as %s", tasks.keySet(), ids);
    state.tasks().forEach(t -> loaded(t.task(), Objects.requireNonNull(tasks.get(t.task().id()))));
    Set<String> requests =
        state.requests().stream().map(r -> r.head().id()).collect(Collectors.toSet());
    check(requests.equals(live.keySet()), "%s were loaded as %s", live.keySet(), requests);
  }

  private static void loaded(TaskSnapshot loaded, TaskSnapshot stored) {
    check(
        loaded.state() == stored.state()
            && loaded.attempt() == stored.attempt()
            && loaded.spent() == stored.spent()
            && fenceOf(loaded).equals(fenceOf(stored))
            && Objects.equals(loaded.ending().outputs(), stored.ending().outputs()),
        "%s was loaded as %s",
        stored,
        loaded);
  }

  private void stored(Change change) {
    switch (change) {
      case Change.RequestPut c -> {
        check(!finished.containsKey(c.head().id()), "%s begins after its end", c.head().id());
        live.put(c.head().id(), c.head());
        begun.putIfAbsent(c.head().id(), mirror.losses());
      }
      case Change.RequestFinished c -> ended(c);
      case Change.HoldPut c -> heldEnds.remove(c.requestId() + " " + c.key()); // made again
      case Change.HoldEnded c -> {
        String hold = c.requestId() + " " + c.task().key();
        check(heldEnds.add(hold), "%s ended twice", hold);
        if (c.task().state() == TaskState.SUCCEEDED) {
          check(isFresh(c.requestId(), c.task().key()), "%s succeeded unpublished", hold);
        }
      }
      case Change.TaskDefined c -> definitions.put(c.taskId(), c.definition());
      case Change.TaskPut c -> moved(c.task());
      case Change.TaskGone c -> {
        TaskSnapshot task = tasks.remove(c.taskId());
        if (task != null) {
          byKey.remove(task.key(), c.taskId());
          leases.over(task);
          tasksEnded++;
        }
      }
      case Change.ExecutionEnded c ->
          check(
              endedExecutions.add(c.execution().fence().execution()),
              "%s ended twice",
              c.execution().fence());
      case Change.FailurePut c ->
          check(
              c.failure().failure().failureClass().isRemembered(),
              "%s is remembered, which says nothing about the next attempt",
              c.failure());
      case Change.DurationPut c -> {}
    }
  }

  /**
   * Whether a result that this request is told was there while the request lived, or since it was
   * published for others. What was lost before is not to be told: it has to be made again.
   */
  private boolean isFresh(String request, TaskKey key) {
    int since = Math.min(begun.getOrDefault(request, 0), publishedSince.getOrDefault(key, 0));
    return mirror.hadSince(key, since);
  }

  private void ended(Change.RequestFinished end) {
    String id = end.head().id();
    live.remove(id);
    RequestState before = finished.put(id, end.state());
    check(before == null, "%s ended as %s and as %s", id, before, end.state());
    if (end.state() == RequestState.SUCCEEDED) {
      for (String root : end.head().roots()) {
        check(
            isFresh(id, new TaskKey(end.head().instance(), root)),
            "%s succeeded without its root %s",
            id,
            root);
      }
    }
  }

  private void moved(TaskSnapshot task) {
    TaskSnapshot before = tasks.put(task.id(), task);
    Long other = byKey.put(task.key(), task.id());
    check(other == null || other == task.id(), "two live tasks of %s", task.key());
    check(!task.state().isDone(), "a task that is over is live: %s", task);
    if (task.state() == TaskState.PUBLISHING
        && (before == null || before.state() != TaskState.PUBLISHING)) {
      publishedSince.put(task.key(), mirror.losses());
    }
    check(task.spent() <= CoreOptions.DEFAULTS.maxAttempts(), "too many attempts: %s", task);
    if (task.state() == TaskState.LEASED) {
      check(task.waitsFor().isEmpty(), "leased too early: %s", task);
      for (String dependency : Objects.requireNonNull(definitions.get(task.id())).dependsOn()) {
        TaskKey key = new TaskKey(task.key().instance(), dependency);
        check(mirror.everHad(key), "%s is built before %s is there", task, key);
      }
      boolean same = before != null && fenceOf(task).equals(fenceOf(before));
      check(
          same || before == null || task.attempt() > before.attempt(),
          "a lease that does not void the one before: %s and %s",
          before,
          task);
    }
    if (task.state() == TaskState.PUBLISHING) {
      check(
          before != null && fenceOf(task).equals(fenceOf(before)),
          "%s is published, but the lease was %s",
          task,
          before);
    }
  }

  private static Fence fenceOf(TaskSnapshot task) {
    Execution execution = task.execution();
    return execution == null ? new Fence("none", 0, 0) : execution.fence();
  }

  // The end

  boolean allEnded() {
    return tasks.isEmpty() && finished.keySet().containsAll(ordered);
  }

  /** When all is over. */
  void atTheEnd() {
    TreeSet<String> open = new TreeSet<>(ordered);
    open.removeAll(finished.keySet());
    check(open.isEmpty(), "never ended: %s; live tasks: %s", open, tasks.values());
    check(tasks.isEmpty(), "nobody waits for %s", tasks.values());
    check(live.isEmpty(), "still live: %s", live.keySet());
    List<TaskKey> wrong = new ArrayList<>();
    mirror
        .winners()
        .forEach(
            (key, fence) -> {
              if (workload.neverBuilds(key)) {
                wrong.add(key);
              }
            });
    check(wrong.isEmpty(), "published, though they cannot be built: %s", wrong);
  }

  int ears() {
    return ears;
  }

  /** Times that a build had to wait for what was lost. */
  int madeAgain() {
    return madeAgain;
  }

  long tasksEnded() {
    return tasksEnded;
  }

  Map<String, RequestState> finished() {
    return finished;
  }

  @FormatMethod
  private static void check(boolean holds, String message, @Nullable Object... data) {
    if (!holds) {
      throw new AssertionError(message.formatted(data));
    }
  }
}
