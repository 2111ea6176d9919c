package build.thresher.scheduler.core;

import java.time.Duration;

/** What a build cost. */
public record Usage(Duration wall, Duration userCpu, Duration systemCpu, long peakMemoryBytes) {
  public static final Usage NONE = new Usage(Duration.ZERO, Duration.ZERO, Duration.ZERO, 0);
}
