package build.thresher.executor.sandbox;

import build.thresher.executor.sandbox.SandboxResult.Usage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * A process with its descendants, as /proc shows them: kills all, and measures by sampling where no
 * control group counts. Sampled by one thread; {@link #kill} from any.
 */
final class ProcessTree {
  private static final long TICK_NANOS = 10_000_000L; // USER_HZ is 100 on every Linux
  private static final long PAGE_BYTES = 4096;

  private final ProcessHandle root;
  private volatile long userNanos;
  private volatile long systemNanos;
  private volatile long peakBytes;

  ProcessTree(ProcessHandle root) {
    this.root = root;
  }

  /**
   * Kills the whole tree. The first process of the namespace takes all others with it; the
   * descendants are killed by themselves too, because a tree that is still being set up has no such
   * process yet.
   */
  void kill() {
    List<ProcessHandle> descendants = root.descendants().toList();
    root.destroyForcibly();
    descendants.forEach(ProcessHandle::destroyForcibly);
  }

  /** Takes a sample. A process counts its own and its reaped children's time. */
  void sample() {
    long user = 0;
    long system = 0;
    long pages = 0;
    for (ProcessHandle process : Stream.concat(Stream.of(root), root.descendants()).toList()) {
      try {
        String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
        // The second field may hold spaces and brackets.
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        user += Long.parseLong(fields[11]) + Long.parseLong(fields[13]);
        system += Long.parseLong(fields[12]) + Long.parseLong(fields[14]);
        pages += Long.parseLong(fields[21]);
      } catch (IOException | RuntimeException e) {
        // It ended meanwhile.
      }
    }
    userNanos = Math.max(userNanos, user * TICK_NANOS);
    systemNanos = Math.max(systemNanos, system * TICK_NANOS);
    peakBytes = Math.max(peakBytes, pages * PAGE_BYTES);
  }

  Usage usage(Duration wall) {
    return new Usage(wall, Duration.ofNanos(userNanos), Duration.ofNanos(systemNanos), peakBytes);
  }

  /** How often the kernel has killed a process of this host for want of memory; 0 if unknown. */
  static long hostOutOfMemoryKills() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/vmstat"))) {
      return lines
          .filter(line -> line.startsWith("oom_kill "))
          .mapToLong(line -> Long.parseLong(line.substring("oom_kill ".length()).trim()))
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
  }
}
