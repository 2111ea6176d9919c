package build.thresher.scheduler.core;

import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A share of the executors: that of all, of an instance, of a user in it, or of one invocation of
 * the user's tools. What a share gets is shared out evenly between those below it that have
 * something to run, so nobody gets more by asking under many names of the lowest kind. Plain
 * mutable state of {@link ReadyQueue}. Compared by identity.
 */
final class Share {
  private static final Comparator<Share> BY_TURN =
      Comparator.comparingInt((Share s) -> s.running)
          .thenComparingLong(s -> s.lastTurn)
          .thenComparing(s -> s.name);

  private final @Nullable Share above;
  private final String name;
  private final Map<String, Share> below = new HashMap<>();

  /** Those below that have something to run; whose turn it is comes first. */
  private final TreeSet<Share> waiting = new TreeSet<>(BY_TURN);

  /** What the share itself has to run; only that of an invocation has any. */
  final Backlog backlog = new Backlog();

  private int running;
  private long lastTurn;

  private Share(@Nullable Share above, String name) {
    this.above = above;
    this.name = name;
  }

  static Share ofAll() {
    return new Share(null, "");
  }

  /** The share below of this name. */
  Share of(String part) {
    return below.computeIfAbsent(part, p -> new Share(this, p));
  }

  Iterable<Share> byTurn() {
    return waiting;
  }

  private boolean waits() {
    return !backlog.isEmpty() || !waiting.isEmpty();
  }

  /** It has something to run now, so those above have as well. */
  void enlist() {
    for (Share s = this; s.above != null && s.above.waiting.add(s); ) {
      s = s.above;
    }
  }

  /** It may have nothing left to run. */
  void delist() {
    for (Share s = this; s.above != null && !s.waits(); s = s.above) {
      s.above.waiting.remove(s);
    }
    forgetIfIdle();
  }

  /** Its turn came: one more runs for it and those above. */
  void served(long turn) {
    backlog.served();
    for (Share s = this; s.above != null; s = s.above) {
      boolean waits = s.above.waiting.remove(s);
      s.lastTurn = turn;
      s.running++;
      if (waits) {
        s.above.waiting.add(s);
      }
    }
  }

  /** More, or fewer, run for it and those above. */
  void changeRunning(int by) {
    for (Share s = this; s.above != null; s = s.above) {
      boolean waits = s.above.waiting.remove(s);
      s.running += by;
      if (waits) {
        s.above.waiting.add(s);
      }
    }
    forgetIfIdle();
  }

  private void forgetIfIdle() {
    for (Share s = this;
        s.above != null && s.running == 0 && !s.waits() && s.below.isEmpty();
        s = s.above) {
      s.above.below.remove(s.name);
    }
  }
}
