package build.thresher.executor.spack;

import java.time.Duration;

/**
 * The executor's own limits for builds; a task may ask for less time, and for more memory.
 *
 * @param python the interpreter that runs Spack, below a directory that builds see
 * @param jobs parallel jobs where the task says nothing; 0: the processors, shared out between
 *     slots
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
    long files) {
  /** A day's quarter for each build; as much memory as there is. */
  public static final SpackOptions DEFAULTS =
      new SpackOptions("/usr/bin/python3", 0, Duration.ofHours(6), 0, 8192, 100L << 30, 10_000_000);

  /** The same with so many parallel jobs. */
  public SpackOptions withJobs(int count) {
    return new SpackOptions(python, count, timeout, memoryBytes, processes, diskBytes, files);
  }
}
