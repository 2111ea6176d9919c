package build.thresher.executor.core;

import java.time.Duration;
import java.util.random.RandomGenerator;

/** Pauses that grow, with jitter, so that a farm's executors do not come back all at once. */
final class Backoff {
  private static final Duration FIRST = Duration.ofMillis(200);
  private static final Duration LAST = Duration.ofSeconds(10);

  private final RandomGenerator random;
  private Duration next = FIRST;

  Backoff(RandomGenerator random) {
    this.random = random;
  }

  void pause() throws InterruptedException {
    Thread.sleep(next.toMillis() / 2 + random.nextLong(next.toMillis()));
    next = next.compareTo(LAST) < 0 ? next.multipliedBy(2) : LAST;
  }

  void reset() {
    next = FIRST;
  }
}
