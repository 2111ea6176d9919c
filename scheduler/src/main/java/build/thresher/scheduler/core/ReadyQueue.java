package build.thresher.scheduler.core;

import build.thresher.scheduler.core.Backlog.Entry;
import com.google.common.collect.ImmutableSet;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The tasks that wait for an executor, in the order in which they go.
 *
 * <p>First the instance with the fewest running tasks, in it the user with the fewest, and of his
 * invocations the one with the fewest, so that nobody's thousand delay another's one; among those
 * with equally many, whoever was served longest ago. Within the invocation its {@link Backlog} has
 * an order. A task that several wait for stands in each one's backlog.
 *
 * <p>To look for the next one costs invocations × classes of requirements at worst, and as a rule
 * one look.
 */
final class ReadyQueue {
  private final ImmutableSet<String> plainInstances;
  private final Share all = Share.ofAll();
  private final Map<RequirementClass.Needs, RequirementClass> classes = new LinkedHashMap<>();
  private final Map<Task, List<Entry>> entries = new HashMap<>();
  private long turns;
  private long additions;

  /**
   * @param plainInstances as in {@link CoreOptions}
   */
  ReadyQueue(ImmutableSet<String> plainInstances) {
    this.plainInstances = plainInstances;
  }

  /** Whose turn it is, and for what. */
  record Turn(Task task, String client) {}

  boolean isEmpty() {
    return entries.isEmpty();
  }

  int size() {
    return entries.size();
  }

  /** Grows with every addition: who found nothing need not look again while it stands still. */
  long additions() {
    return additions;
  }

  Collection<RequirementClass> classes() {
    return classes.values();
  }

  /** Puts the task in; a task that is in already gets its place anew. */
  void add(Task task) {
    remove(task);
    additions++;
    RequirementClass requirements = classes.computeIfAbsent(needs(task), RequirementClass::new);
    requirements.tasks.add(task);
    Map<String, Wish> wishes = new LinkedHashMap<>();
    for (Hold hold : task.holds.values()) {
      Request request = hold.request;
      wishes.merge(
          request.head.client(),
          new Wish(request.head.options().priority(), request.number),
          Wish::and);
    }
    if (wishes.isEmpty()) {
      wishes.put("", new Wish(0, 0));
    }
    List<Entry> added = new ArrayList<>(1);
    wishes.forEach(
        (client, wish) -> {
          Share share = share(task.key().instance(), client);
          Entry entry =
              new Entry(
                  task, client, share, requirements, wish.priority, task.pathSeconds, wish.request);
          share.backlog.add(entry);
          share.enlist();
          added.add(entry);
        });
    entries.put(task, added);
  }

  private RequirementClass.Needs needs(Task task) {
    return new RequirementClass.Needs(
        task.definition.requirements(),
        task.memoryLimitBytes,
        !plainInstances.contains(task.key().instance()));
  }

  /** How much a client wants a task: as its most urgent request does, and since its oldest. */
  private record Wish(int priority, long request) {
    Wish and(Wish other) {
      return new Wish(Math.max(priority, other.priority), Math.min(request, other.request));
    }
  }

  void remove(Task task) {
    List<Entry> gone = entries.remove(task);
    if (gone == null) {
      return;
    }
    for (Entry entry : gone) {
      entry.share().backlog.remove(entry);
      entry.share().delist();
      entry.requirements().tasks.remove(task);
      if (entry.requirements().tasks.isEmpty()) {
        classes.remove(entry.requirements().needs);
      }
    }
  }

  /** Takes the next task of a class that can run; it counts as running for who wanted it. */
  @Nullable Turn take(Predicate<RequirementClass> canRun) {
    Entry next = next(all, canRun);
    if (next == null) {
      return null;
    }
    next.share().served(++turns);
    remove(next.task());
    return new Turn(next.task(), next.client());
  }

  private static @Nullable Entry next(Share share, Predicate<RequirementClass> canRun) {
    Entry own = share.backlog.next(canRun);
    if (own != null) {
      return own;
    }
    for (Share below : share.byTurn()) {
      Entry next = next(below, canRun);
      if (next != null) {
        return next;
      }
    }
    return null;
  }

  /** A task that was leased before a restart runs for this client. */
  void started(String instance, String client) {
    share(instance, client).changeRunning(1);
  }

  void stopped(String instance, String client) {
    share(instance, client).changeRunning(-1);
  }

  private Share share(String instance, String client) {
    ClientName name = ClientName.of(client);
    return all.of(instance).of(name.user()).of(name.invocation());
  }
}
