package build.thresher.executor.sandbox;

import static build.thresher.executor.sandbox.ControlGroups.write;

import build.thresher.executor.sandbox.ControlGroups.Door;
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
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A group of version 1 in each hierarchy, for one build after the other: each has its own limits,
 * and what is measured is its own, but for the little memory that the kernel may still charge for
 * one before. Whatever could be told of an earlier build, as that it was refused memory, ends the
 * group with that build. Used by one thread at a time.
 */
final class GroupV1 implements ControlGroups.Group {
  private static final Logger log = LoggerFactory.getLogger(GroupV1.class);
  private static final String THREADS = "tasks";
  private static final String ALL = "cgroup.procs";
  private static final long CPU_PERIOD_MICROS = 100_000;

  /** Below this, the launcher could run out of memory as it goes through the group. */
  private static final long LEAST_MEMORY_BYTES = 16 << 20;

  /** With more than this still charged, it serves nobody else. */
  private static final long MOST_LEFT_BYTES = LEAST_MEMORY_BYTES / 4;

  private final Map<String, Path> byController = new LinkedHashMap<>();
  private final Consumer<GroupV1> spare;
  private final List<GroupFile> open = new ArrayList<>();
  private @Nullable Memory memory;
  private @Nullable Cpu cpu;
  private @Nullable GroupFile processes;
  private @Nullable GroupFile processEvents;
  private long memoryLimit = -1;
  private long processLimit = -1;
  private Duration user = Duration.ZERO;
  private Duration system = Duration.ZERO;
  private boolean asGoodAsNew;

  private record Memory(GroupFile charged, GroupFile peak, GroupFile refusals) {}

  private record Cpu(GroupFile user, GroupFile system) {}

  /**
   * @param spare takes it when it is closed as good as new
   */
  GroupV1(Consumer<GroupV1> spare) {
    this.spare = spare;
  }

  void add(String controller, Path directory) throws IOException {
    Files.createDirectory(directory);
    byController.put(controller, directory);
    switch (controller) {
      case "memory" ->
          memory =
              new Memory(
                  kept(GroupFile.toRead(directory.resolve("memory.usage_in_bytes"))),
                  kept(GroupFile.toReadAndWrite(directory.resolve("memory.max_usage_in_bytes"))),
                  kept(GroupFile.toRead(directory.resolve("memory.oom_control"))));
      case "cpuacct" ->
          cpu =
              new Cpu(
                  kept(GroupFile.toRead(directory.resolve("cpuacct.usage_user"))),
                  kept(GroupFile.toRead(directory.resolve("cpuacct.usage_sys"))));
      case "pids" -> {
        processes = kept(GroupFile.toRead(directory.resolve("pids.current")));
        Path events = directory.resolve("pids.events"); // Linux 4.8
        processEvents = Files.exists(events) ? kept(GroupFile.toRead(events)) : null;
      }
      default -> {} // "cpu", which only limits
    }
  }

  private GroupFile kept(GroupFile file) {
    open.add(file);
    return file;
  }

  void limit(Limits limits) throws IOException {
    Path memoryGroup = byController.get("memory");
    long bytes = limits.memoryBytes() > 0 ? Math.max(limits.memoryBytes(), LEAST_MEMORY_BYTES) : -1;
    if (memoryGroup != null && bytes != memoryLimit) {
      write(memoryGroup.resolve("memory.limit_in_bytes"), bytes);
      memoryLimit = bytes;
    }
    Path pids = byController.get("pids");
    if (pids != null && limits.processes() != processLimit) {
      write(pids.resolve("pids.max"), limits.processes());
      processLimit = limits.processes();
    }
    Path cpuGroup = byController.get("cpu");
    if (cpuGroup != null) {
      write(cpuGroup.resolve("cpu.cfs_quota_us"), limits.milliCpus() * CPU_PERIOD_MICROS / 1000);
    }
  }

  @Override
  public List<Path> directories() {
    return new ArrayList<>(byController.values());
  }

  /**
   * The launcher goes through those of single threads, for which the kernel need not first have
   * seen every processor at rest, and out to the group above; but not where it might be slowed
   * down.
   */
  @Override
  public List<Door> doors() {
    return byController.entrySet().stream()
        .map(
            group ->
                group.getKey().equals("cpu")
                    ? new Door(group.getValue().resolve(ALL), Optional.empty())
                    : new Door(
                        group.getValue().resolve(THREADS),
                        Optional.of(group.getValue().resolveSibling(THREADS))))
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
    if (processes != null && processes.number() == 0) {
      return; // To list them takes longer, also where there is none.
    }
    Optional<Path> any = byController.values().stream().findFirst();
    if (any.isPresent()) {
      ControlGroups.kill(any.get());
    }
  }

  @Override
  public long outOfMemoryKills() throws IOException {
    return memory == null ? 0 : memory.refusals().field("oom_kill");
  }

  @Override
  public long refusedProcesses() throws IOException {
    return processEvents == null ? 0 : processEvents.field("max");
  }

  @Override
  public Usage usage(Usage sampled) throws IOException {
    Usage usage = sampled;
    if (cpu != null) {
      Duration userBefore = user;
      Duration systemBefore = system;
      user = Duration.ofNanos(cpu.user().number());
      system = Duration.ofNanos(cpu.system().number());
      usage = usage.withCpu(user.minus(userBefore), system.minus(systemBefore));
    }
    return memory == null ? usage : usage.withPeakMemory(memory.peak().number());
  }

  @Override
  public void ended() throws IOException {
    if (memory != null) {
      if (memory.charged().number() > MOST_LEFT_BYTES) {
        return;
      }
      memory.peak().write(0);
    }
    asGoodAsNew = outOfMemoryKills() == 0 && refusedProcesses() == 0;
  }

  @Override
  public void close() throws IOException {
    if (asGoodAsNew) {
      asGoodAsNew = false;
      spare.accept(this);
    } else {
      remove();
    }
  }

  /** Nobody needs it any more. */
  void discard() {
    try {
      remove();
    } catch (IOException e) {
      log.warn("control group {} cannot be removed: {}", directories(), e.toString());
    }
  }

  private void remove() throws IOException {
    for (GroupFile file : open) {
      file.close();
    }
    for (Path directory : byController.values()) {
      ControlGroups.remove(directory);
    }
  }
}
