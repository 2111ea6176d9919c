package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Drives a core with virtual time and keeps what it says. */
final class CoreDriver {
  static final Capabilities LINUX = capabilities("x86_64_v3");
  static final RequestHead.Options FAIL_FAST = new RequestHead.Options(true, false, 0);
  static final RequestHead.Options RETRY = new RequestHead.Options(false, true, 0);

  CoreOptions options;
  Core core;
  long nanos;
  Instant wall = Instant.parse("2026-01-01T00:00:00Z");
  final List<Change> changes = new ArrayList<>();
  final List<Effect> effects = new ArrayList<>();
  final Map<Long, ImmutableList<Effect.Grant>> answers = new HashMap<>();
  final Map<String, Map<String, TaskSnapshot>> ended = new HashMap<>();
  final Map<String, RequestState> finished = new HashMap<>();
  final List<RememberedFailure> remembered = new ArrayList<>();
  final Map<String, Double> durations = new HashMap<>();
  private long polls;
  private int ids;

  CoreDriver() {
    this(CoreOptions.DEFAULTS);
  }

  CoreDriver(CoreOptions options) {
    this.options = options;
    this.core = fresh();
  }

  private Core fresh() {
    return Core.load(
        options,
        new LiveState(1, ImmutableList.of(), ImmutableList.of(), ImmutableMap.copyOf(durations)),
        now());
  }

  Now now() {
    return new Now(nanos, wall);
  }

  Reply apply(Event event) {
    Outcome outcome = core.apply(event, now());
    changes.addAll(outcome.changes());
    effects.addAll(outcome.effects());
    for (Change change : outcome.changes()) {
      switch (change) {
        case Change.HoldEnded c ->
            ended
                .computeIfAbsent(c.requestId(), id -> new HashMap<>())
                .put(c.task().key().hash(), c.task());
        case Change.RequestFinished c -> finished.put(c.head().id(), c.state());
        case Change.FailurePut c -> remembered.add(c.failure());
        case Change.DurationPut c -> durations.put(c.name(), c.seconds());
        case Change.RequestPut c -> {}
        case Change.HoldPut c -> {}
        case Change.TaskDefined c -> {}
        case Change.TaskPut c -> {}
        case Change.TaskGone c -> {}
        case Change.ExecutionEnded c -> {}
      }
    }
    for (Effect effect : outcome.effects()) {
      if (effect instanceof Effect.AnswerPoll answer) {
        answers.put(answer.pollId(), answer.grants());
      }
    }
    return outcome.reply();
  }

  void pass(Duration time) {
    nanos += time.toNanos();
    wall = wall.plus(time);
    apply(new Event.Tick());
  }

  /** An executor whose gcc is this one. */
  static Capabilities measured(String fingerprint, long memoryBytes, String... features) {
    return new Capabilities(
        "linux",
        "debian12",
        "zen4",
        ImmutableSet.of("x86_64", "x86_64_v3"),
        ImmutableList.of(new Capabilities.Offer("gcc", "12", "/usr", fingerprint)),
        ImmutableMap.of(),
        "bubblewrap",
        memoryBytes,
        4,
        ImmutableSet.of(),
        ImmutableSet.copyOf(features));
  }

  void register(String name, Capabilities capabilities) {
    apply(new Event.Register(executor(name), 64, capabilities, ImmutableList.of()));
  }

  /** A lease, which there must be. */
  Effect.Grant next(String executor) {
    return Objects.requireNonNull(lease(executor), "a lease");
  }

  static Inputs inputs(Effect.Grant grant) {
    return ((SpackWork) grant.definition().work()).inputs();
  }

  static String hash(Effect.Grant grant) {
    return grant.definition().key().hash();
  }

  /** What the executor is told to kill when it renews this lease. */
  List<Fence> killed(String executor, Effect.Grant grant) {
    Reply reply =
        apply(
            new Event.Renew(
                executor(executor), ImmutableList.of(new Event.Progress(grant.fence(), "build"))));
    return ((Reply.Renewed) reply).kill();
  }

  static SpackRequirements needs(String target, String... features) {
    return new SpackRequirements(
        "linux",
        "debian12",
        new SpackRequirements.Target(target, ImmutableSet.copyOf(features)),
        ImmutableSortedSet.of(new SpackRequirements.External("gcc", "12", "/usr")),
        ImmutableMap.of());
  }

  static Capabilities capabilities(String target) {
    return new Capabilities(
        "linux",
        "debian12",
        target,
        ImmutableSet.of("x86_64", target),
        ImmutableList.of(new Capabilities.Offer("gcc", "12", "/usr", "")),
        ImmutableMap.of(),
        "bubblewrap",
        0,
        4,
        ImmutableSet.of(),
        ImmutableSet.of());
  }

  static ExecutorId executor(String name) {
    return new ExecutorId(name, name + "-1");
  }

  void register(String name) {
    apply(new Event.Register(executor(name), 64, LINUX, ImmutableList.of()));
  }

  static Digest digest(String text) {
    return Digest.of(text.getBytes(StandardCharsets.UTF_8));
  }

  static Inputs inputs(String recipes) {
    return new Inputs(digest("core"), digest(recipes), digest("configuration"));
  }

  static SpackRequirements requirements() {
    return new SpackRequirements(
        "linux",
        "debian12",
        new SpackRequirements.Target("x86_64_v3", ImmutableSet.of()),
        ImmutableSortedSet.of(),
        ImmutableMap.of());
  }

  /** A task whose package is named like its hash. */
  static Definition task(String hash, String recipes, String... dependsOn) {
    return new Definition(
        new TaskKey("default", hash),
        hash,
        "1.0",
        ImmutableList.copyOf(dependsOn),
        requirements(),
        new SpackWork(inputs(recipes), digest("dag"), null, 0, Duration.ZERO));
  }

  static Definition inInstance(String instance, Definition d) {
    return new Definition(
        new TaskKey(instance, d.key().hash()),
        d.name(),
        d.version(),
        d.dependsOn(),
        d.requirements(),
        d.work());
  }

  /** An action named by its text. */
  static Definition action(String text, boolean doNotCache, PlatformProperty... platform) {
    ImmutableList<PlatformProperty> properties = ImmutableList.copyOf(platform);
    return new Definition(
        doNotCache
            ? TaskKey.unsharedAction("default", digest(text), "r" + platform.length)
            : TaskKey.action("default", digest(text)),
        "cc",
        "",
        ImmutableList.of(),
        ActionRequirements.of(properties),
        new ActionWork(digest(text), Duration.ZERO, properties, doNotCache, false, Instant.EPOCH));
  }

  Reply ran(Effect.Grant grant, int exitCode) {
    return apply(
        new Event.Complete(
            grant.fence(),
            Ending.success(new ActionOutputs(new byte[] {1, 2, 3}, exitCode), null, Usage.NONE)));
  }

  static Definition needing(Definition d, Requirements requirements) {
    return new Definition(d.key(), d.name(), d.version(), d.dependsOn(), requirements, d.work());
  }

  Reply submit(String id, String client, Definition... tasks) {
    return submit(id, client, RequestHead.Options.NONE, tasks);
  }

  Reply submit(String id, String client, RequestHead.Options how, Definition... tasks) {
    ImmutableList<String> roots =
        tasks.length == 0
            ? ImmutableList.of("cached")
            : ImmutableList.of(tasks[tasks.length - 1].key().hash());
    return apply(
        new Event.Submit(
            new RequestHead(
                id,
                tasks.length == 0 ? "default" : tasks[0].key().instance(),
                client,
                WorkKind.SPACK,
                how,
                roots,
                ImmutableList.of(),
                ImmutableList.of(),
                wall),
            ImmutableList.copyOf(tasks),
            ImmutableSet.of(),
            ImmutableList.copyOf(remembered)));
  }

  /** Asks for one task; null when there is none now. */
  Effect.@Nullable Grant lease(String executor) {
    List<Effect.Grant> grants = lease(executor, 1);
    return grants.isEmpty() ? null : grants.getFirst();
  }

  /** Asks and does not wait. */
  List<Effect.Grant> lease(String executor, int max) {
    long poll = park(executor, max);
    List<Effect.Grant> grants = answers.get(poll);
    if (grants == null) {
      apply(new Event.PollGone(poll));
      return List.of();
    }
    return grants;
  }

  long park(String executor, int max) {
    ImmutableList.Builder<String> names = ImmutableList.builder();
    for (int i = 0; i < max; i++) {
      names.add("x" + ++ids);
    }
    long poll = ++polls;
    apply(
        new Event.LeaseAsk(
            poll, executor(executor), names.build(), Duration.ofSeconds(30).toNanos()));
    return poll;
  }

  static SpackOutputs outputs(String hash) {
    return new SpackOutputs(digest("archive " + hash), "tar", digest("spec " + hash), "json");
  }

  Reply built(Effect.Grant grant) {
    return built(grant, Duration.ZERO);
  }

  Reply built(Effect.Grant grant, Duration wallTime) {
    return apply(
        new Event.Complete(
            grant.fence(),
            Ending.success(
                outputs(grant.definition().key().hash()),
                digest("log"),
                new Usage(wallTime, Duration.ZERO, Duration.ZERO, 0))));
  }

  Reply succeed(Effect.Grant grant) {
    return succeed(grant, Duration.ZERO);
  }

  Reply succeed(Effect.Grant grant, Duration wallTime) {
    Reply reply = built(grant, wallTime);
    apply(new Event.PublishDone(grant.fence()));
    return reply;
  }

  /** The execution found that what these made is gone. */
  Reply lost(Effect.Grant grant, Definition... producers) {
    return apply(
        new Event.InputsLost(
            grant.fence(),
            Ending.failure(new Failure(FailureClass.INFRASTRUCTURE, "an archive is gone")),
            ImmutableList.copyOf(producers)));
  }

  Reply fail(Effect.Grant grant, FailureClass failureClass) {
    return apply(
        new Event.Complete(
            grant.fence(),
            Ending.failure(
                new Failure(failureClass, "it broke"),
                digest("log"),
                new Usage(Duration.ZERO, Duration.ZERO, Duration.ZERO, 100))));
  }

  TaskState stateOf(String request, String hash) {
    TaskSnapshot over = ended.getOrDefault(request, Map.of()).get(hash);
    return over != null ? over.state() : snapshot(request, hash).state();
  }

  TaskSnapshot snapshot(String request, String hash) {
    TaskSnapshot over = ended.getOrDefault(request, Map.of()).get(hash);
    if (over != null) {
      return over;
    }
    return core.view().request(request).orElseThrow().tasks().stream()
        .filter(t -> t.key().hash().equals(hash))
        .findFirst()
        .orElseThrow();
  }
}
