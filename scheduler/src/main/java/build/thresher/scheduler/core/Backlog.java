package build.thresher.scheduler.core;

import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What one invocation has to run, in the order in which it goes: higher priority first, then the
 * longer path of work that waits on the task, then the older task.
 *
 * <p>Every {@link #OLDEST_EACH}th turn is the oldest request's, whatever its priority, so that no
 * stream of what is more urgent holds anything up for ever. Within a request that changes nothing.
 *
 * <p>Tasks with equal requirements are matched as one class: the next one costs a look a class.
 */
final class Backlog {
  static final int OLDEST_EACH = 10;

  private static final Comparator<Entry> URGENCY =
      Comparator.comparingInt(Entry::priority)
          .reversed()
          .thenComparingDouble(e -> -e.pathSeconds)
          .thenComparingLong(e -> e.task.id);
  private static final Comparator<Entry> AGE =
      Comparator.comparingLong((Entry e) -> e.request).thenComparing(URGENCY);

  private final Map<RequirementClass, Queue> queues = new LinkedHashMap<>();
  private long turns;

  /**
   * A task in one invocation's backlog.
   *
   * @param client who has the turn if it is this one's
   * @param request number of the oldest that wants it
   */
  record Entry(
      Task task,
      String client,
      Share share,
      RequirementClass requirements,
      int priority,
      double pathSeconds,
      long request) {}

  private static final class Queue {
    final TreeSet<Entry> byUrgency = new TreeSet<>(URGENCY);
    final TreeSet<Entry> byAge = new TreeSet<>(AGE);
  }

  boolean isEmpty() {
    return queues.isEmpty();
  }

  void add(Entry entry) {
    Queue queue = queues.computeIfAbsent(entry.requirements, c -> new Queue());
    queue.byUrgency.add(entry);
    queue.byAge.add(entry);
  }

  void remove(Entry entry) {
    Queue queue = queues.get(entry.requirements);
    if (queue == null) {
      return;
    }
    queue.byUrgency.remove(entry);
    queue.byAge.remove(entry);
    if (queue.byUrgency.isEmpty()) {
      queues.remove(entry.requirements);
    }
  }

  /** Whose turn it is among those that can run. */
  @Nullable Entry next(Predicate<RequirementClass> canRun) {
    boolean oldest = (turns + 1) % OLDEST_EACH == 0;
    Comparator<Entry> order = oldest ? AGE : URGENCY;
    Entry best = null;
    for (Map.Entry<RequirementClass, Queue> queue : queues.entrySet()) {
      if (canRun.test(queue.getKey())) {
        Queue tasks = queue.getValue();
        Entry first = (oldest ? tasks.byAge : tasks.byUrgency).first();
        best = best == null || order.compare(first, best) < 0 ? first : best;
      }
    }
    return best;
  }

  /** The turn was taken. */
  void served() {
    turns++;
  }
}
