package build.thresher.executor.sandbox;

import java.time.Duration;

/**
 * What one build may use at most.
 *
 * @param wall time from start to end
 * @param memoryBytes of all processes together; 0: no limit
 * @param processes at the same time, threads included
 * @param diskBytes in the build's own directory, and of any single file
 * @param files files, links and directories in the build's own directory
 * @param milliCpus processors' worth of time, in thousandths; 0: no limit
 */
public record Limits(
    Duration wall, long memoryBytes, long processes, long diskBytes, long files, int milliCpus) {

  /** As much processor time as there is. */
  public Limits(Duration wall, long memoryBytes, long processes, long diskBytes, long files) {
    this(wall, memoryBytes, processes, diskBytes, files, 0);
  }
}
