package build.thresher.scheduler.core;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The tasks that wait for an executor, in the order in which they go.
 *
 * <p>First the client with the fewest running tasks, so that nobody's thousand delay another's one;
 * among clients with equally many, whoever was served longest ago. Then, within the client, higher
 * priority; then the longer path of work that waits on the task; then the older task. A task that
 * several clients wait for stands in each one's queue.
 *
 * <p>Tasks with equal requirements are matched as one class, so that looking for the next one costs
 * clients × classes at worst, and as a rule one look.
 */
final class ReadyQueue {
  private static final Comparator<Entry> URGENCY =
      Comparator.comparingInt((Entry e) -> -e.priority)
          .thenComparingDouble(e -> -e.pathSeconds)
          .thenComparingLong(e -> e.task.id);

  private final Map<String, Client> clients = new HashMap<>();
  private final TreeSet<Client> byTurn =
      new TreeSet<>(
          Comparator.comparingInt((Client c) -> c.running)
              .thenComparingLong(c -> c.lastTurn)
              .thenComparing(c -> c.name));
  private final Map<RequirementClass.Needs, RequirementClass> classes = new LinkedHashMap<>();
  private final Map<Task, List<Entry>> entries = new HashMap<>();
  private long turns;
  private long additions;

  /** A task in one client's queue. */
  private record Entry(
      Task task, Client client, RequirementClass requirements, int priority, double pathSeconds) {}

  /** Whose turn it is, and for what. */
  record Turn(Task task, String client) {}

  private static final class Client {
    final String name;
    final Map<RequirementClass, TreeSet<Entry>> queues = new LinkedHashMap<>();
    int running;
    long lastTurn;

    Client(String name) {
      this.name = name;
    }
  }

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
    RequirementClass requirements =
        classes.computeIfAbsent(RequirementClass.Needs.of(task), RequirementClass::new);
    requirements.tasks.add(task);
    Map<String, Integer> priorities = new LinkedHashMap<>();
    for (Hold hold : task.holds.values()) {
      RequestHead head = hold.request.head;
      priorities.merge(head.client(), head.options().priority(), Math::max);
    }
    if (priorities.isEmpty()) {
      priorities.put("", 0);
    }
    List<Entry> added = new ArrayList<>(1);
    priorities.forEach(
        (name, priority) -> {
          Client client = clients.computeIfAbsent(name, Client::new);
          Entry entry = new Entry(task, client, requirements, priority, task.pathSeconds);
          client.queues.computeIfAbsent(requirements, c -> new TreeSet<>(URGENCY)).add(entry);
          byTurn.add(client);
          added.add(entry);
        });
    entries.put(task, added);
  }

  void remove(Task task) {
    List<Entry> gone = entries.remove(task);
    if (gone == null) {
      return;
    }
    for (Entry entry : gone) {
      TreeSet<Entry> queue = entry.client.queues.get(entry.requirements);
      if (queue != null && queue.remove(entry) && queue.isEmpty()) {
        entry.client.queues.remove(entry.requirements);
      }
      if (entry.client.queues.isEmpty()) {
        byTurn.remove(entry.client);
        forgetIfIdle(entry.client);
      }
      entry.requirements.tasks.remove(task);
      if (entry.requirements.tasks.isEmpty()) {
        classes.remove(entry.requirements.needs);
      }
    }
  }

  /** Takes the next task of a class that can run; it counts as running for the client. */
  @Nullable Turn take(Predicate<RequirementClass> canRun) {
    for (Client client : byTurn) {
      Entry best = null;
      for (var queue : client.queues.entrySet()) {
        if (canRun.test(queue.getKey())) {
          Entry first = queue.getValue().first();
          best = best == null || URGENCY.compare(first, best) < 0 ? first : best;
        }
      }
      if (best != null) {
        byTurn.remove(client);
        client.running++;
        client.lastTurn = ++turns;
        byTurn.add(client);
        remove(best.task);
        return new Turn(best.task, client.name);
      }
    }
    return null;
  }

  /** A task that was leased before a restart runs for this client. */
  void started(String client) {
    changeRunning(client, 1);
  }

  void stopped(String client) {
    changeRunning(client, -1);
  }

  private void changeRunning(String name, int by) {
    Client client = clients.computeIfAbsent(name, Client::new);
    boolean waits = byTurn.remove(client);
    client.running += by;
    if (waits) {
      byTurn.add(client);
    }
    forgetIfIdle(client);
  }

  private void forgetIfIdle(Client client) {
    if (client.running == 0 && client.queues.isEmpty()) {
      clients.remove(client.name);
    }
  }
}
