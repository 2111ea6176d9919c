package build.thresher.executor.sandbox;

import build.thresher.executor.sandbox.SandboxResult.Usage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * A process with its descendants, as /proc shows them: kills all, and measures by sampling where no
 * control group counts. Sampled by one thread; {@link #kill} from any.
 */
final class ProcessTree {
  private static final long TICK_NANOS = 10_000_000L; // USER_HZ is 100 on every Linux
  private static final long PAGE_BYTES = 4096;

  private final Supplier<Optional<ProcessHandle>> root;
  private volatile long userNanos;
  private volatile long systemNanos;
  private volatile long peakBytes;

  /**
   * @param root gives nothing when it is over
   */
  ProcessTree(Supplier<Optional<ProcessHandle>> root) {
    this.root = root;
  }

  /**
   * Kills the whole tree. The first process of the namespace takes all others with it; the
   * descendants are killed by themselves too, because a tree that is still being set up has no such
   * process yet.
   */
  void kill() {
    List<ProcessHandle> all = processes();
    all.forEach(ProcessHandle::destroyForcibly);
  }

  /** The root first. */
  private List<ProcessHandle> processes() {
    return root.get().stream()
        .flatMap(process -> Stream.concat(Stream.of(process), process.descendants()))
        .toList();
  }

  /**
   * Takes a sample, and returns the memory of all processes; what several share counts for each. A
   * process counts its own and its reaped children's time.
   */
  long sample() {
    long user = 0;
    long system = 0;
    long pages = 0;
    for (ProcessHandle process : processes()) {
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
    return pages * PAGE_BYTES;
  }

  /** The memory of all processes; what several share counts once. Slower than a sample. */
  long memoryBytes() {
    long kilobytes = 0;
    for (ProcessHandle process : processes()) {
      try (Stream<String> lines =
          Files.lines(Path.of("/proc/" + process.pid() + "/smaps_rollup"))) {
        kilobytes +=
            lines
                .filter(line -> line.startsWith("Pss:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .sum();
      } catch (IOException | RuntimeException e) {
        // It ended meanwhile.
      }
    }
    return kilobytes << 10;
  }

  /**
   * Bytes of files that have no name any more and are still open, on one file system: they take
   * room that no walk over directories finds. Those of processes that hide themselves from the
   * executor's user count as nothing.
   *
   * @param on any file of the file system
   */
  long namelessBytes(Path on) throws IOException {
    Object device = Files.getAttribute(on, "unix:dev");
    Map<Object, Long> sizes = new HashMap<>();
    for (ProcessHandle process : processes()) {
      try (Stream<Path> descriptors = Files.list(Path.of("/proc/" + process.pid() + "/fd"))) {
        for (Path descriptor : (Iterable<Path>) descriptors::iterator) {
          addNameless(descriptor, device, sizes);
        }
      } catch (IOException | UncheckedIOException e) {
        // It ended meanwhile.
      }
    }
    return sizes.values().stream().mapToLong(Long::longValue).sum();
  }

  private static void addNameless(Path descriptor, Object device, Map<Object, Long> sizes) {
    try {
      if (Files.readSymbolicLink(descriptor).toString().endsWith(" (deleted)")) {
        Map<String, Object> file = Files.readAttributes(descriptor, "unix:dev,ino,nlink,size");
        if (device.equals(file.get("dev")) && Integer.valueOf(0).equals(file.get("nlink"))) {
          sizes.put(Objects.requireNonNull(file.get("ino")), (Long) file.get("size"));
        }
      }
    } catch (IOException e) {
      // It was closed meanwhile.
    }
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
