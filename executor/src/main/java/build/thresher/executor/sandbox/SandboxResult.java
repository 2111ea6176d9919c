package build.thresher.executor.sandbox;

import java.time.Duration;

/**
 * How a sandboxed command ended.
 *
 * @param end why it ended
 * @param exitCode of the command; 128 + signal as shells count it; of no meaning unless {@link
 *     End#EXITED}
 * @param started false when the sandbox could not be set up or the command not be started; its
 *     standard error then says why
 * @param usage what it took
 */
public record SandboxResult(End end, int exitCode, boolean started, Usage usage) {

  /** Why a command is over. */
  public enum End {
    /** By itself, whatever the exit code. */
    EXITED,
    /** Killed by the kernel, or failed after the kernel killed a part of it, for want of memory. */
    OUT_OF_MEMORY,
    /** Killed after its wall time. */
    TIMEOUT,
    /** Failed after it could not start a process, because it had as many as it may. */
    PROCESS_LIMIT,
    /** Killed because its directory grew beyond the limit. */
    DISK_LIMIT,
    /** Killed because the disk of the host is nearly full. */
    DISK_FULL,
    /** Killed on request. */
    KILLED
  }

  /**
   * What a command took; zero where it could not be measured.
   *
   * @param wall start to end
   * @param userCpu of all its processes
   * @param systemCpu of all its processes
   * @param peakMemoryBytes of all its processes together
   */
  public record Usage(Duration wall, Duration userCpu, Duration systemCpu, long peakMemoryBytes) {
    /** Nothing was run. */
    public static final Usage NONE = new Usage(Duration.ZERO, Duration.ZERO, Duration.ZERO, 0);

    Usage withCpu(Duration user, Duration system) {
      return new Usage(wall, user, system, peakMemoryBytes);
    }

    Usage withPeakMemory(long bytes) {
      return new Usage(wall, userCpu, systemCpu, bytes);
    }
  }
}
