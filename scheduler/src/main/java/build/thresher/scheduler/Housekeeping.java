package build.thresher.scheduler;

import build.thresher.scheduler.keep.LiveWork;
import build.thresher.scheduler.logs.LogStore;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.store.TaskStore;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the blobs of work that is not over, every 20 minutes, and forgets what is older than the
 * retention, once an hour. Both are done at start, too. A thread of its own, which goes by the wall
 * clock, as leases and lifetimes do: when that jumps, it is noticed at once.
 */
final class Housekeeping implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Housekeeping.class);

  /** Shorter than the shortest time for which a store keeps what it reported as present. */
  private static final Duration KEEP = Duration.ofMinutes(20);

  private static final Duration FORGET = Duration.ofHours(1);
  private static final Duration AFTER_FAILURE = Duration.ofMinutes(1);
  private static final Duration LOOK = Duration.ofMillis(200);

  private final CoreLoop core;
  private final LiveWork live;
  private final TaskStore store;
  private final LogStore logs;
  private final Duration retention;
  private final InstantSource wall;
  private final Thread thread =
      Thread.ofPlatform().name("scheduler-housekeeping").daemon().unstarted(this::run);
  private volatile Instant kept = Instant.EPOCH;

  Housekeeping(
      CoreLoop core,
      LiveWork live,
      TaskStore store,
      LogStore logs,
      Duration retention,
      InstantSource wall) {
    this.core = core;
    this.live = live;
    this.store = store;
    this.logs = logs;
    this.retention = retention;
    this.wall = wall;
  }

  void start() {
    thread.start();
  }

  /** When the blobs of work that is not over were last seen to. */
  Instant kept() {
    return kept;
  }

  private interface Chore {
    void done(Instant now) throws IOException, InterruptedException;
  }

  private void run() {
    Instant keepNext = Instant.MIN;
    Instant forgetNext = Instant.MIN;
    try {
      while (!Thread.currentThread().isInterrupted()) {
        keepNext = when(keepNext, KEEP, this::keep);
        forgetNext = when(forgetNext, FORGET, this::forget);
        Thread.sleep(LOOK);
      }
    } catch (InterruptedException e) {
      return; // closing
    }
  }

  /** When it is due next. */
  @SuppressWarnings("IllegalCatch") // one failure must not end all later rounds
  private Instant when(Instant due, Duration pause, Chore chore) throws InterruptedException {
    Instant now = wall.instant();
    if (now.isBefore(due) && !now.plus(pause).isBefore(due)) {
      return due;
    }
    try {
      chore.done(now);
      return now.plus(pause);
    } catch (IOException | RuntimeException e) {
      log.warn("housekeeping failed; it is tried again in {}", AFTER_FAILURE, e);
      return now.plus(AFTER_FAILURE);
    }
  }

  private void keep(Instant now) throws IOException, InterruptedException {
    live.keep(now);
    kept = now;
  }

  private void forget(Instant now) throws IOException {
    // The store sorts by times after 1970: an earlier one would be the latest of all.
    boolean always = retention.compareTo(Duration.between(Instant.EPOCH, now)) > 0;
    Instant before = always ? Instant.EPOCH : now.minus(retention);
    int records = store.prune(core.epoch(), before, now);
    int files = logs.prune(before);
    if (records + files > 0) {
      log.info("forgot {} records and {} live logs older than {}", records, files, retention);
    }
  }

  @Override
  public void close() {
    thread.interrupt();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
