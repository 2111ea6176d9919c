package build.thresher.executor.spack;

import java.time.Duration;

/**
 * The executor's own limits for builds; a task may ask for less time, and for more memory.
 *
 * @param python the interpreter that runs Spack, below a directory that builds see
 * @param jobs parallel jobs where the task says nothing
 * @param timeout wall time at most
 * @param memoryBytes where the task says nothing; 0: no limit
 * @param processes at the same time
 * @param diskBytes of the build's directory
 * @param files of the build's directory
 */
public record SpackOptions(
    String python,
    int jobs,
    Duration timeout,
    long memoryBytes,
    long processes,
    long diskBytes,
    long files) {}
