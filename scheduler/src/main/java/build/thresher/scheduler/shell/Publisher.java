package build.thresher.scheduler.shell;

import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.spack.Builds;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes results visible in the mirror, a few at a time, and says how it went. Publishing is
 * idempotent, so one that a crash cut off is simply done again.
 */
public final class Publisher implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Publisher.class);
  private static final int AT_ONCE = 16;

  private final SpackMirror mirror;
  private final Builds builds;
  private final Consumer<Event> events;
  private final Semaphore room = new Semaphore(AT_ONCE);
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  public Publisher(SpackMirror mirror, Builds builds, Consumer<Event> events) {
    this.mirror = mirror;
    this.builds = builds;
    this.events = events;
  }

  /** Begins to publish; returns at once. */
  public void publish(Effect.Publish result) {
    threads.execute(
        () -> {
          room.acquireUninterruptibly();
          try {
            events.accept(outcome(result));
          } finally {
            room.release();
          }
        });
  }

  @SuppressWarnings("IllegalCatch") // a bug in a mirror must not leave the task publishing for ever
  private Event outcome(Effect.Publish result) {
    Fence fence = result.execution().fence();
    String key = result.definition().key().toString();
    try {
      SpackMirror.PublishedSpec winner =
          mirror.publish(result.definition().key().instance(), builds.built(result));
      log.info("published {} {} archive {}", result.definition().name(), key, winner.archive());
      return new Event.PublishDone(fence);
    } catch (SpackMirror.ArchiveRefusedException e) {
      log.warn("refused to publish {} of {}: {}", key, fence.execution(), e.getMessage());
      return new Event.PublishRefused(fence, String.valueOf(e.getMessage()));
    } catch (IOException | RuntimeException e) {
      log.warn("could not publish {} of {}", key, fence.execution(), e);
      return new Event.PublishFailed(fence, String.valueOf(e.getMessage()));
    }
  }

  @Override
  public void close() {
    threads.close();
  }
}
