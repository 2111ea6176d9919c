package build.thresher.executor.sandbox;

import build.thresher.executor.sandbox.SandboxResult.Usage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Control groups of version 2: one hierarchy, of which the executor needs a part of its own (a
 * service with {@code Delegate=yes}, a container with a writable group, or root).
 *
 * <p>The kernel gives controllers to groups below one only when no process is in that one itself.
 * So the executor's processes move into a group {@code executor} beside those of the builds.
 * Thread-safe.
 */
final class ControlGroupsV2 extends ControlGroups {
  private static final Logger log = LoggerFactory.getLogger(ControlGroupsV2.class);
  private static final List<String> WANTED = List.of("memory", "pids", "cpu");
  private static final long CPU_PERIOD_MICROS = 100_000;
  private static final int MOVE_ROUNDS = 100;
  private static final String PROCESSES = "cgroup.procs";

  /** Where the launcher is between two commands: a group that has others below it takes none. */
  private static final String LAUNCHER = "launcher";

  /** Below this, the launcher could run out of memory as it goes through the group. */
  private static final long LEAST_MEMORY_BYTES = 16 << 20;

  private final Path builds;
  private final AtomicLong made = new AtomicLong();
  private final SortedSet<String> controllers;

  private ControlGroupsV2(Path builds, SortedSet<String> controllers) {
    this.builds = builds;
    this.controllers = controllers;
  }

  static ControlGroups open(Path fileSystem, List<String> self, String name) {
    Path own = own(fileSystem, self);
    Path builds = own.resolve(name);
    try {
      if (Files.isDirectory(builds)) {
        removeChildren(builds);
      } else {
        Files.createDirectory(builds);
      }
      SortedSet<String> given = delegate(own, builds);
      Files.createDirectory(builds.resolve(LAUNCHER));
      return new ControlGroupsV2(builds, given);
    } catch (IOException e) {
      log.info("control group {} cannot be used: {}", builds, e.toString());
      return none();
    }
  }

  /** After a restart of the same service, processes are found where an earlier start moved them. */
  private static Path own(Path fileSystem, List<String> self) {
    String path =
        self.stream()
            .filter(line -> line.startsWith("0::/"))
            .map(line -> line.substring("0::/".length()))
            .findFirst()
            .orElse("");
    Path own = fileSystem.resolve(path).normalize();
    Path parent = own.getParent();
    return own.endsWith("executor") && parent != null ? parent : own;
  }

  private static SortedSet<String> delegate(Path own, Path builds) throws IOException {
    SortedSet<String> given = new TreeSet<>();
    List<String> offered = words(own.resolve("cgroup.controllers"));
    // The first group of the machine may have processes, unlike one that a container sees as first.
    boolean first = !Files.exists(own.resolve("cgroup.events"));
    if (WANTED.stream().anyMatch(offered::contains) && !first) {
      move(own.resolve(PROCESSES), Files.createDirectories(own.resolve("executor")));
    }
    for (String controller : WANTED) {
      if (!offered.contains(controller)) {
        continue;
      }
      try {
        Files.writeString(own.resolve("cgroup.subtree_control"), "+" + controller);
        Files.writeString(builds.resolve("cgroup.subtree_control"), "+" + controller);
        given.add(controller);
      } catch (IOException e) {
        log.info("controller {} is not given to {}: {}", controller, builds, e.toString());
      }
    }
    return given;
  }

  /** What ends while it is listed cannot be moved, and need not be. */
  private static void move(Path from, Path to) throws IOException {
    for (int round = 1; ; round++) {
      try {
        for (String pid : Files.readAllLines(from)) {
          Files.writeString(to.resolve(PROCESSES), pid);
        }
        return;
      } catch (IOException e) {
        if (round == MOVE_ROUNDS) {
          throw e;
        }
        pause(round);
      }
    }
  }

  private static List<String> words(Path file) throws IOException {
    return List.of(Files.readString(file).trim().split("\\s+", -1));
  }

  @Override
  public String enforced() {
    return "control groups (version 2) in use: "
        + (controllers.isEmpty() ? "for measuring only" : String.join(", ", controllers))
        + (controllers.containsAll(WANTED)
            ? ""
            : "; the other controllers are not delegated to " + builds);
  }

  @Override
  Group create(String name, Limits limits) throws IOException {
    Path directory = Files.createDirectory(builds.resolve(Long.toString(made.incrementAndGet())));
    Group group =
        new GroupV2(directory, controllers.contains("memory"), controllers.contains("pids"));
    try {
      if (controllers.contains("memory") && limits.memoryBytes() > 0) {
        write(directory.resolve("memory.max"), Math.max(limits.memoryBytes(), LEAST_MEMORY_BYTES));
        Path swap = directory.resolve("memory.swap.max");
        if (Files.exists(swap)) {
          write(swap, 0);
        }
      }
      if (controllers.contains("pids")) {
        write(directory.resolve("pids.max"), limits.processes());
      }
      if (controllers.contains("cpu") && limits.milliCpus() > 0) {
        write(directory.resolve("cpu.max"), limits.milliCpus() * CPU_PERIOD_MICROS / 1000);
      }
      return group;
    } catch (IOException e) {
      group.close();
      throw new IOException("cannot make the control group of build " + name, e);
    }
  }

  @Override
  public void close() {
    try {
      removeChildren(builds);
      Files.deleteIfExists(builds);
    } catch (IOException e) {
      log.warn("control group {} cannot be removed: {}", builds, e.toString());
    }
  }

  private record GroupV2(Path directory, boolean limitsMemory, boolean limitsProcesses)
      implements Group {
    @Override
    public List<Path> directories() {
      return List.of(directory);
    }

    @Override
    public List<Door> doors() {
      return List.of(
          new Door(
              directory.resolve(PROCESSES),
              Optional.of(directory.resolveSibling(LAUNCHER).resolve(PROCESSES))));
    }

    @Override
    public void killAll() throws IOException {
      kill(directory);
    }

    @Override
    public long outOfMemoryKills() throws IOException {
      return field(directory.resolve("memory.events"), "oom_kill");
    }

    @Override
    public long refusedProcesses() throws IOException {
      return field(directory.resolve("pids.events"), "max");
    }

    @Override
    public Usage usage(Usage sampled) throws IOException {
      Path cpu = directory.resolve("cpu.stat"); // without the controller too
      Usage usage =
          sampled.withCpu(micros(field(cpu, "user_usec")), micros(field(cpu, "system_usec")));
      Path peak = directory.resolve("memory.peak"); // Linux 5.19
      return Files.exists(peak) ? usage.withPeakMemory(number(peak)) : usage;
    }

    private static Duration micros(long count) {
      return Duration.ofNanos(1000 * count);
    }

    @Override
    public void close() throws IOException {
      remove(directory);
    }
  }
}
