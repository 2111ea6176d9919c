package build.thresher.executor.outputs;

import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.executor.sandbox.KillSwitch;
import java.io.IOException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks again a store that is away for a moment, for inputs and with outputs: a server that restarts
 * costs no build an attempt, and what hours have built is not lost. Ends when the build is killed,
 * and after some ten minutes. Stateless; blocks.
 */
public final class Patience {
  private static final Logger log = LoggerFactory.getLogger(Patience.class);
  private static final Duration FIRST = Duration.ofMillis(200);
  private static final Duration LAST = Duration.ofSeconds(10);
  private static final int TRIES = 65;

  private Patience() {}

  /** What can be done again from its start. */
  public interface Attempt<T> {
    T run() throws IOException, InterruptedException;
  }

  /**
   * The result of the first attempt that the store is there for.
   *
   * @param kill of the build that it is for
   */
  public static <T> T whileUnavailable(KillSwitch kill, Attempt<T> attempt)
      throws IOException, InterruptedException {
    Duration pause = FIRST;
    for (int tries = 1; ; tries++) {
      try {
        return attempt.run();
      } catch (StoreUnavailableException e) {
        if (tries == TRIES || kill.await(pause.toNanos())) {
          throw e;
        }
        log.info("tried again: {}", e.getMessage());
        pause = pause.compareTo(LAST) < 0 ? pause.multipliedBy(2) : LAST;
      }
    }
  }
}
