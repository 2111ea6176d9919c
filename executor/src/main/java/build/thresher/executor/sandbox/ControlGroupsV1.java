package build.thresher.executor.sandbox;

import build.thresher.executor.sandbox.SandboxResult.Usage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Control groups of version 1: one hierarchy for each controller. Thread-safe. */
final class ControlGroupsV1 extends ControlGroups {
  private static final Logger log = LoggerFactory.getLogger(ControlGroupsV1.class);
  private static final List<String> WANTED = List.of("memory", "pids", "cpuacct", "cpu");
  private static final String THREADS = "tasks";
  private static final String ALL = "cgroup.procs";
  private static final long CPU_PERIOD_MICROS = 100_000;

  /** Below this, the launcher could run out of memory as it goes through the group. */
  private static final long LEAST_MEMORY_BYTES = 16 << 20;

  /** Controller name to the directory in which groups of builds are made. */
  private final Map<String, Path> parents;

  private ControlGroupsV1(Map<String, Path> parents) {
    this.parents = parents;
  }

  static ControlGroups open(Path fileSystem, String name) {
    Map<String, Path> parents = new LinkedHashMap<>();
    for (String controller : WANTED) {
      Path hierarchy = fileSystem.resolve(controller);
      Path own = hierarchy.resolve(name);
      if (!Files.isRegularFile(hierarchy.resolve("cgroup.procs"))) {
        continue;
      }
      try {
        if (Files.isDirectory(own)) {
          removeChildren(own);
        } else {
          Files.createDirectory(own);
        }
        parents.put(controller, own);
      } catch (IOException e) {
        log.info("control group {} cannot be used: {}", own, e.toString());
      }
    }
    return parents.isEmpty() ? none() : new ControlGroupsV1(Map.copyOf(parents));
  }

  @Override
  public String enforced() {
    return "control groups (version 1) in use: "
        + String.join(", ", parents.keySet().stream().sorted().toList());
  }

  @Override
  Group create(String name, Limits limits) throws IOException {
    Map<String, Path> directories = new LinkedHashMap<>();
    Group group = new GroupV1(directories);
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
        write(
            memory.resolve("memory.limit_in_bytes"),
            Math.max(limits.memoryBytes(), LEAST_MEMORY_BYTES));
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

  @Override
  public void close() {
    for (Path own : parents.values()) {
      try {
        remove(own);
      } catch (IOException e) {
        log.warn("control group {} cannot be removed: {}", own, e.toString());
      }
    }
  }

  private record GroupV1(Map<String, Path> byController) implements Group {
    @Override
    public List<Path> directories() {
      return new ArrayList<>(byController.values());
    }

    /**
     * The launcher goes through those of single threads, for which the kernel need not first have
     * seen every processor at rest; but not where it might be slowed down.
     */
    @Override
    public List<Path> doors() {
      return byController.entrySet().stream()
          .map(group -> group.getValue().resolve(group.getKey().equals("cpu") ? ALL : THREADS))
          .toList();
    }

    @Override
    public boolean limitsMemory() {
      return byController.containsKey("memory");
    }

    @Override
    public boolean limitsProcesses() {
      return byController.containsKey("pids");
    }

    /** Members of one are members of all, but for one that is just entering; see {@link #close}. */
    @Override
    public void killAll() throws IOException {
      Optional<Path> any = byController.values().stream().findFirst();
      if (any.isPresent()) {
        kill(any.get());
      }
    }

    @Override
    public long outOfMemoryKills() throws IOException {
      Path memory = byController.get("memory");
      return memory == null ? 0 : field(memory.resolve("memory.oom_control"), "oom_kill");
    }

    @Override
    public long refusedProcesses() throws IOException {
      Path pids = byController.get("pids");
      return pids == null ? 0 : field(pids.resolve("pids.events"), "max");
    }

    @Override
    public Optional<Usage> usage(Duration wall) throws IOException {
      Path cpu = byController.get("cpuacct");
      Path memory = byController.get("memory");
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

    @Override
    public void close() throws IOException {
      for (Path directory : byController.values()) {
        remove(directory);
      }
    }
  }
}
