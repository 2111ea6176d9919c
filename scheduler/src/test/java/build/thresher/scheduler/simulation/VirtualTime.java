package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Now;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.PriorityQueue;

/** The clocks of the simulated world, and what is going to happen in it. */
final class VirtualTime {
  private record Entry(long nanos, long number, Runnable action) {}

  private final PriorityQueue<Entry> entries =
      new PriorityQueue<>(Comparator.comparingLong(Entry::nanos).thenComparing(Entry::number));
  private long nanos;
  private long numbers;
  private Instant wall = Instant.parse("2026-01-01T00:00:00Z");

  /** Lets something happen later; things of one moment happen in the order in which they came. */
  void after(Duration delay, Runnable action) {
    entries.add(new Entry(nanos + delay.toNanos(), numbers++, action));
  }

  /** Goes on to what happens next; false when nothing ever will. */
  boolean step() {
    Entry next = entries.poll();
    if (next == null) {
      return false;
    }
    wall = wall.plusNanos(next.nanos - nanos);
    nanos = next.nanos;
    next.action.run();
    return true;
  }

  long nanos() {
    return nanos;
  }

  Now now() {
    return new Now(nanos, wall);
  }

  /** Somebody sets the clock on the wall; the monotonic one knows nothing of it. */
  void setWallAhead(Duration by) {
    wall = wall.plus(by);
  }
}
