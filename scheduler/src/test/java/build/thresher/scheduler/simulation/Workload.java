package build.thresher.scheduler.simulation;

import build.thresher.cas.api.Digest;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.ActionRequirements;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Capabilities;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Inputs;
import build.thresher.scheduler.core.Outputs;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.SpackOutputs;
import build.thresher.scheduler.core.SpackRequirements;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.WorkKind;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** A graph of packages, what becomes of each when it is built, and who orders what. */
final class Workload {
  static final Capabilities EXECUTOR =
      new Capabilities(
          "linux",
          "debian12",
          "x86_64_v3",
          ImmutableSet.of("x86_64"),
          ImmutableList.of(),
          ImmutableMap.of(),
          "bubblewrap",
          0,
          4,
          ImmutableSet.of(),
          ImmutableSet.of());

  private final List<List<Integer>> dependencies = new ArrayList<>();
  private final List<Fate> fates = new ArrayList<>();
  private final boolean allGood;

  /** What a build comes to, apart from the farm's own failures. */
  enum Fate {
    BUILDS,
    /** With one set of recipes; with the other it builds. */
    DOES_NOT_COMPILE,
    BREAKS_A_RULE,
    KILLS_ITS_EXECUTOR
  }

  /**
   * What a client wants.
   *
   * @param nodes numbers of packages, dependencies first
   */
  record Order(
      String id, String client, RequestHead.Options options, String recipes, List<Integer> nodes) {}

  Workload(int packages, boolean allGood, Random random) {
    this.allGood = allGood;
    for (int i = 0; i < packages; i++) {
      TreeSet<Integer> direct = new TreeSet<>();
      for (int n = random.nextInt(4); n > 0 && i > 0; n--) {
        direct.add(Math.max(0, i - 1 - random.nextInt(12)));
      }
      dependencies.add(List.copyOf(direct));
      int fate = allGood ? 0 : random.nextInt(100);
      fates.add(
          fate < 90
              ? Fate.BUILDS
              : fate < 95
                  ? Fate.DOES_NOT_COMPILE
                  : fate < 98 ? Fate.BREAKS_A_RULE : Fate.KILLS_ITS_EXECUTOR);
    }
  }

  /** A few packages with all that they need. */
  Order order(String id, String client, int roots, Random random) {
    TreeSet<Integer> closure = new TreeSet<>();
    for (int i = 0; i < roots; i++) {
      reach(random.nextInt(dependencies.size()), closure);
    }
    RequestHead.Options options =
        allGood
            ? RequestHead.Options.NONE
            : new RequestHead.Options(
                random.nextInt(4) == 0, random.nextInt(4) == 0, random.nextInt(3));
    return new Order(id, client, options, "recipes" + random.nextInt(2), List.copyOf(closure));
  }

  private void reach(int node, Set<Integer> closure) {
    if (closure.add(node)) {
      dependencies.get(node).forEach(d -> reach(d, closure));
    }
  }

  Fate fateOf(Definition task) {
    Fate fate = fates.get(number(task));
    boolean compilesHere =
        fate == Fate.DOES_NOT_COMPILE
            && switch (task.work()) {
              case SpackWork work -> work.inputs().recipes().equals(digest("recipes1"));
              case ActionWork work -> true;
            };
    return compilesHere ? Fate.BUILDS : fate;
  }

  boolean neverBuilds(TaskKey key) {
    Fate fate = fates.get(Integer.parseInt(key.hash().substring(1)));
    return fate == Fate.BREAKS_A_RULE || fate == Fate.KILLS_ITS_EXECUTOR;
  }

  /** The submission, without what was published when it was read. */
  Event.Submit expand(Order order, Predicate<TaskKey> published, Instant created) {
    ImmutableList.Builder<Definition> tasks = ImmutableList.builder();
    ImmutableList.Builder<String> cached = ImmutableList.builder();
    for (int node : order.nodes()) {
      if (published.test(key(node))) {
        cached.add(key(node).hash());
      } else {
        tasks.add(definition(digest(order.recipes()), node, published));
      }
    }
    RequestHead head =
        new RequestHead(
            order.id(),
            "default",
            order.client(),
            WorkKind.SPACK,
            order.options(),
            ImmutableList.of(key(order.nodes().getLast()).hash()),
            cached.build(),
            ImmutableList.of(),
            created);
    return new Event.Submit(head, tasks.build(), ImmutableSet.of(), ImmutableList.of());
  }

  boolean lacksInputs(Definition consumer, Predicate<TaskKey> published) {
    return dependencies.get(number(consumer)).stream().anyMatch(node -> !published.test(key(node)));
  }

  /** What a build needs and the mirror has no more, as tasks that make it again. */
  ImmutableList<Definition> lostInputs(Definition consumer, Predicate<TaskKey> published) {
    Set<TaskKey> lost =
        dependencies.get(number(consumer)).stream()
            .map(Workload::key)
            .filter(published.negate())
            .collect(Collectors.toSet());
    return dependencies.get(number(consumer)).stream()
        .filter(node -> lost.contains(key(node)))
        .map(node -> definition(recipes(consumer), node, key -> !lost.contains(key)))
        .collect(ImmutableList.toImmutableList());
  }

  private static int number(Definition task) {
    return Integer.parseInt(task.name().substring(1));
  }

  private static Digest recipes(Definition task) {
    return ((SpackWork) task.work()).inputs().recipes();
  }

  /** Every other package that needs nothing is made by an action. */
  private boolean isAction(int node) {
    return dependencies.get(node).isEmpty() && node % 2 == 0;
  }

  private Definition definition(Digest recipes, int node, Predicate<TaskKey> published) {
    return isAction(node) ? action(node) : build(recipes, node, published);
  }

  private static Definition action(int node) {
    return new Definition(
        key(node),
        "p" + node,
        "1.0",
        ImmutableList.of(),
        ActionRequirements.of(ImmutableList.of()),
        new ActionWork(
            digest("action " + node),
            Duration.ZERO,
            ImmutableList.of(),
            false,
            false,
            Instant.EPOCH));
  }

  private Definition build(Digest recipes, int node, Predicate<TaskKey> published) {
    return new Definition(
        key(node),
        "p" + node,
        "1.0",
        dependencies.get(node).stream()
            .map(Workload::key)
            .filter(published.negate())
            .map(TaskKey::hash)
            .collect(ImmutableList.toImmutableList()),
        new SpackRequirements(
            "linux",
            "debian12",
            new SpackRequirements.Target("x86_64", ImmutableSet.of()),
            ImmutableSortedSet.of(),
            ImmutableMap.of()),
        new SpackWork(
            new Inputs(digest("core"), recipes, digest("configuration")),
            digest("dag"),
            null,
            0,
            Duration.ZERO));
  }

  static TaskKey key(int node) {
    return new TaskKey("default", "h" + node);
  }

  static Digest digest(String text) {
    return Digest.of(text.getBytes(StandardCharsets.UTF_8));
  }

  static Outputs outputs(Effect.Grant grant) {
    String execution = grant.fence().execution();
    return switch (grant.definition().work()) {
      case SpackWork work ->
          new SpackOutputs(digest("archive of " + execution), "tar", digest("spec"), "json");
      case ActionWork work -> new ActionOutputs(execution.getBytes(StandardCharsets.UTF_8), 0);
    };
  }
}
