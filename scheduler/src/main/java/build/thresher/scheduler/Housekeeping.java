package build.thresher.scheduler;

import build.thresher.scheduler.logs.LogStore;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.store.TaskStore;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Forgets what is older than the retention, once an hour. A thread of its own. */
final class Housekeeping implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Housekeeping.class);
  private static final Duration PAUSE = Duration.ofHours(1);

  private final CoreLoop core;
  private final TaskStore store;
  private final LogStore logs;
  private final Duration retention;
  private final InstantSource wall;
  private final Thread thread =
      Thread.ofPlatform().name("scheduler-housekeeping").daemon().unstarted(this::run);

  Housekeeping(
      CoreLoop core, TaskStore store, LogStore logs, Duration retention, InstantSource wall) {
    this.core = core;
    this.store = store;
    this.logs = logs;
    this.retention = retention;
    this.wall = wall;
  }

  void start() {
    thread.start();
  }

  private void run() {
    while (!Thread.currentThread().isInterrupted()) {
      try {
        Instant now = wall.instant();
        int records = store.prune(core.epoch(), now.minus(retention), now);
        int files = logs.prune(now.minus(retention));
        if (records + files > 0) {
          log.info("forgot {} records and {} live logs older than {}", records, files, retention);
        }
        Thread.sleep(PAUSE);
      } catch (InterruptedException e) {
        return;
      } catch (IOException e) {
        log.warn("could not forget old history; trying again later", e);
        try {
          Thread.sleep(PAUSE);
        } catch (InterruptedException stop) {
          return;
        }
      }
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
