package build.thresher.scheduler.core;

import java.time.Instant;

/**
 * Both clocks at one moment.
 *
 * @param nanos monotonic, for leases and every other waiting time; compare by difference
 * @param wall what people see
 */
public record Now(long nanos, Instant wall) {

  /** True when the monotonic clock has reached {@code deadline}. */
  boolean reached(long deadline) {
    return nanos - deadline >= 0;
  }
}
