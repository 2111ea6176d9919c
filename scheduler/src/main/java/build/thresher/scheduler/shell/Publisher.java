package build.thresher.scheduler.shell;

import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.SpackOutputs;
import build.thresher.scheduler.spack.Builds;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes results visible, in the mirror or in the action cache, a few at a time, and says how it
 * went. Publishing is idempotent, so one that a crash cut off is simply done again.
 */
public final class Publisher implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Publisher.class);
  private static final int AT_ONCE = 16;

  private final SpackMirror mirror;
  private final ActionCache actionCache;
  private final Builds builds;
  private final Consumer<Event> events;
  private final Semaphore room = new Semaphore(AT_ONCE);
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  public Publisher(
      SpackMirror mirror, ActionCache actionCache, Builds builds, Consumer<Event> events) {
    this.mirror = mirror;
    this.actionCache = actionCache;
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
      switch (result.outputs()) {
        case SpackOutputs outputs -> publish(result, outputs);
        case ActionOutputs outputs -> remember(result, outputs);
      }
      return new Event.PublishDone(fence);
    } catch (SpackMirror.ArchiveRefusedException e) {
      log.warn("refused to publish {} of {}: {}", key, fence.execution(), e.getMessage());
      String message = String.valueOf(e.getMessage());
      return new Event.PublishRefused(fence, new Failure(FailureClass.INPUT, message));
    } catch (BlobNotFoundException e) {
      log.warn("{} of {} lost {} before it was published", key, fence.execution(), e.digest());
      String message = "blob " + e.digest() + " was lost before the result was published";
      return new Event.PublishRefused(
          fence,
          new Failure(FailureClass.INFRASTRUCTURE, message, false, ImmutableList.of(e.digest())));
    } catch (IOException | RuntimeException e) {
      log.warn("could not publish {} of {}", key, fence.execution(), e);
      return new Event.PublishFailed(fence, String.valueOf(e.getMessage()));
    }
  }

  private void publish(Effect.Publish result, SpackOutputs outputs)
      throws SpackMirror.ArchiveRefusedException, IOException {
    SpackMirror.PublishedSpec winner =
        mirror.publish(result.definition().key().instance(), builds.built(result, outputs));
    log.info(
        "published {} {} archive {}",
        result.definition().name(),
        result.definition().key(),
        winner.archive());
  }

  private void remember(Effect.Publish result, ActionOutputs outputs) throws IOException {
    if (!(result.definition().work() instanceof ActionWork work)) {
      throw new IllegalStateException(result.definition().key() + " is no action");
    }
    Scope scope = Scope.farm(result.definition().key().instance());
    actionCache.put(scope, work.action(), outputs.actionResult());
    log.debug("remembered the result of {}", result.definition().key());
  }

  @Override
  public void close() {
    threads.close();
  }
}
