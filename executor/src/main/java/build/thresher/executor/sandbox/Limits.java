package build.thresher.executor.sandbox;

import java.time.Duration;

/**
 * What one build may use at most.
 *
 * @param wall time from start to end
 * @param memoryBytes of all processes together; 0: no limit
 * @param processes at the same time, threads included
 * @param diskBytes in the build's own directory
 * @param files files, links and directories in the build's own directory
 */
public record Limits(Duration wall, long memoryBytes, long processes, long diskBytes, long files) {}
