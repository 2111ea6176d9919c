package build.thresher.scheduler.shell;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * What has come to the core's loop and is not dealt with yet. While all executors are at work and
 * tasks wait for them, nobody gains from an answer at once: what has to be on disk before it is
 * answered waits a moment for company, and one sync does for all of it.
 *
 * <p>What hands out work never waits, and overtakes what does; everything else goes in the order in
 * which it came, at once, and takes all that waits with it. One thread.
 */
final class Waiting<T> {
  /** Short beside any action in a sandbox, and several times as long as a sync. */
  static final Duration PATIENCE = Duration.ofMillis(4);

  /** How an item stands to others. */
  enum Hurry {
    /** It ends in a sync, for which it can wait. */
    NONE,
    /** It must not wait, whatever came before it. */
    OVERTAKES,
    /** It must not wait, and comes after all that came before. */
    IN_ORDER
  }

  private record Item<T>(T item, Hurry hurry) {}

  private final List<Item<T>> items = new ArrayList<>();
  private long sinceNanos;

  void add(T item, Hurry hurry, long nowNanos) {
    if (items.isEmpty()) {
      sinceNanos = nowNanos;
    }
    items.add(new Item<>(item, hurry));
  }

  boolean isEmpty() {
    return items.isEmpty();
  }

  int size() {
    return items.size();
  }

  /** How long the oldest may still wait, at least 0. */
  long leftNanos(long nowNanos) {
    return Math.max(0, sinceNanos + PATIENCE.toNanos() - nowNanos);
  }

  /**
   * Takes what is to be dealt with now, in order.
   *
   * @param mayWait whether what can wait may
   */
  List<T> take(boolean mayWait) {
    boolean all = !mayWait || items.stream().anyMatch(i -> i.hurry() == Hurry.IN_ORDER);
    List<T> taken = new ArrayList<>();
    items.removeIf(i -> (all || i.hurry() == Hurry.OVERTAKES) && taken.add(i.item()));
    return taken;
  }
}
