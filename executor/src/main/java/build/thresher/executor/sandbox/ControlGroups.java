package build.thresher.executor.sandbox;

import build.thresher.executor.sandbox.SandboxResult.Usage;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The kernel's control groups, as far as the executor may write them: limits on memory and
 * processes, and exact measurements of a whole build. Where they cannot be written, groups do
 * nothing and {@link #enforced} says so. Thread-safe.
 */
public final class ControlGroups implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ControlGroups.class);
  private static final List<String> WANTED = List.of("memory", "pids", "cpuacct", "cpu");
  private static final long CPU_PERIOD_MICROS = 100_000;

  /** Controller name to the directory in which groups of builds are made. */
  private final Map<String, Path> parents;

  private ControlGroups(Map<String, Path> parents) {
    this.parents = parents;
  }

  /** No control groups at all. */
  public static ControlGroups none() {
    return new ControlGroups(Map.of());
  }

  /**
   * Makes a group of the executor's own in each version 1 hierarchy that can be written, and
   * removes what an earlier executor of that name left there.
   */
  public static ControlGroups prepare(Path fileSystem, String executor) {
    Map<String, Path> parents = new LinkedHashMap<>();
    for (String controller : WANTED) {
      Path hierarchy = fileSystem.resolve(controller);
      Path own = hierarchy.resolve("thresher-" + executor);
      if (!Files.isRegularFile(hierarchy.resolve("cgroup.procs"))) {
        continue;
      }
      try {
        if (Files.isDirectory(own)) {
          removeLeftovers(own);
        } else {
          Files.createDirectory(own);
        }
        parents.put(controller, own);
      } catch (IOException e) {
        log.info("control group {} cannot be used: {}", own, e.toString());
      }
    }
    return new ControlGroups(Map.copyOf(parents));
  }

  private static void removeLeftovers(Path own) throws IOException {
    try (Stream<Path> children = Files.list(own)) {
      for (Path child : children.filter(Files::isDirectory).toList()) {
        remove(child);
      }
    }
  }

  /** What is limited or measured, for the executor's first lines of log. */
  public String enforced() {
    if (parents.isEmpty()) {
      return "no control groups can be written: memory and processes of builds are not limited"
          + " together, and measured by sampling";
    }
    return "control groups in use: "
        + String.join(", ", parents.keySet().stream().sorted().toList());
  }

  /** A group for one build. */
  Group create(String name, Limits limits) throws IOException {
    Map<String, Path> directories = new LinkedHashMap<>();
    Group group = new Group(directories);
    try {
      for (Map.Entry<String, Path> parent : parents.entrySet()) {
        if (parent.getKey().equals("cpu") && limits.milliCpus() == 0) {
          continue;
        }
        Path directory = parent.getValue().resolve(name);
        Files.createDirectory(directory);
        directories.put(parent.getKey(), directory);
      }
      Path memory = directories.get("memory");
      if (memory != null && limits.memoryBytes() > 0) {
        write(memory.resolve("memory.limit_in_bytes"), limits.memoryBytes());
      }
      Path pids = directories.get("pids");
      if (pids != null) {
        write(pids.resolve("pids.max"), limits.processes());
      }
      Path cpu = directories.get("cpu");
      if (cpu != null) {
        write(cpu.resolve("cpu.cfs_quota_us"), limits.milliCpus() * CPU_PERIOD_MICROS / 1000);
      }
      return group;
    } catch (IOException e) {
      group.close();
      throw new IOException("cannot make the control group of build " + name, e);
    }
  }

  /** Removes the executor's own groups; those of builds are gone already. */
  @Override
  public void close() {
    for (Path own : parents.values()) {
      try {
        Files.deleteIfExists(own);
      } catch (IOException e) {
        log.warn("control group {} cannot be removed: {}", own, e.toString());
      }
    }
  }

  private static void write(Path file, long value) throws IOException {
    Files.writeString(file, Long.toString(value));
  }

  private static void remove(Path group) throws IOException {
    kill(group);
    // A killed process leaves its group a moment later.
    for (int attempt = 0; ; attempt++) {
      try {
        Files.deleteIfExists(group);
        return;
      } catch (DirectoryNotEmptyException e) {
        throw e;
      } catch (IOException e) {
        if (attempt >= 200) {
          throw e;
        }
        kill(group);
        sleep();
      }
    }
  }

  private static void kill(Path group) throws IOException {
    for (int round = 0; round < 200; round++) {
      List<String> members;
      try {
        members = Files.readAllLines(group.resolve("cgroup.procs"));
      } catch (NoSuchFileException e) {
        return;
      }
      if (members.isEmpty()) {
        return;
      }
      for (String pid : members) {
        ProcessHandle.of(Long.parseLong(pid)).ifPresent(ProcessHandle::destroyForcibly);
      }
      sleep();
    }
  }

  private static void sleep() {
    try {
      Thread.sleep(Duration.ofMillis(10));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The groups of one build, one directory for each controller. Used by one thread. */
  static final class Group implements AutoCloseable {
    private final Map<String, Path> directories;

    private Group(Map<String, Path> directories) {
      this.directories = directories;
    }

    List<Path> directories() {
      return new ArrayList<>(directories.values());
    }

    boolean limitsMemory() {
      return directories.containsKey("memory");
    }

    void killAll() throws IOException {
      for (Path directory : directories.values()) {
        kill(directory);
      }
    }

    long outOfMemoryKills() throws IOException {
      Path memory = directories.get("memory");
      if (memory == null) {
        return 0;
      }
      return field(memory.resolve("memory.oom_control"), "oom_kill");
    }

    Optional<Usage> usage(Duration wall) throws IOException {
      Path cpu = directories.get("cpuacct");
      Path memory = directories.get("memory");
      if (cpu == null || memory == null) {
        return Optional.empty();
      }
      return Optional.of(
          new Usage(
              wall,
              Duration.ofNanos(number(cpu.resolve("cpuacct.usage_user"))),
              Duration.ofNanos(number(cpu.resolve("cpuacct.usage_sys"))),
              number(memory.resolve("memory.max_usage_in_bytes"))));
    }

    private static long number(Path file) throws IOException {
      return Long.parseLong(Files.readString(file).trim());
    }

    private static long field(Path file, String name) throws IOException {
      for (String line : Files.readAllLines(file)) {
        if (line.startsWith(name + " ")) {
          return Long.parseLong(line.substring(name.length() + 1).trim());
        }
      }
      return 0;
    }

    @Override
    public void close() throws IOException {
      for (Path directory : directories.values()) {
        remove(directory);
      }
    }
  }
}
