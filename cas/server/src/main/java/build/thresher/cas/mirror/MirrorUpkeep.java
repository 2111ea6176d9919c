package build.thresher.cas.mirror;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a mirror does when nobody asks: it notes what was used, and lets go of what was pruned or
 * superseded long enough ago. One thread of its own; what fails is tried again the next time.
 */
public final class MirrorUpkeep implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(MirrorUpkeep.class);

  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("mirror-upkeep").daemon().factory());

  private MirrorUpkeep() {}

  private interface Work {
    void run() throws IOException;
  }

  public static MirrorUpkeep start(RocksSpackMirror mirror, Retention retention, Duration every) {
    MirrorUpkeep upkeep = new MirrorUpkeep();
    var unused =
        upkeep.thread.scheduleWithFixedDelay(
            () -> {
              attempt(mirror::writeUse);
              attempt(retention::expire);
              attempt(mirror::expireIndices);
            },
            every.toMillis(),
            every.toMillis(),
            TimeUnit.MILLISECONDS);
    return upkeep;
  }

  private static void attempt(Work work) {
    try {
      work.run();
    } catch (IOException | RuntimeException e) {
      LOG.warn("the upkeep of the mirrors failed; it is tried again", e);
    }
  }

  /** Waits for what is at hand. */
  @Override
  public void close() {
    thread.close();
  }
}
