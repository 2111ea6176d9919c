package build.thresher.executor.sandbox;

import build.thresher.executor.sandbox.SandboxResult.Usage;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The kernel's control groups, as far as the executor may write them: limits on memory and
 * processes, and exact measurements of a whole build. Where they cannot be written, groups do
 * nothing and {@link #enforced} says so. Thread-safe.
 */
public abstract sealed class ControlGroups implements AutoCloseable
    permits ControlGroupsV1, ControlGroupsV2, ControlGroups.None {
  private static final int KILL_ROUNDS = 200;

  /** No control groups at all. */
  public static ControlGroups none() {
    return new None();
  }

  /**
   * Makes a group of the executor's own, in the unified hierarchy where that is what the machine
   * has, else in each hierarchy of version 1 that can be written; removes what an earlier executor
   * of that name left there.
   *
   * @param fileSystem where control groups are mounted
   * @param self the lines of /proc/self/cgroup
   */
  public static ControlGroups prepare(Path fileSystem, List<String> self, String executor) {
    if (Files.isRegularFile(fileSystem.resolve("cgroup.controllers"))) {
      return ControlGroupsV2.open(fileSystem, self, "thresher-" + executor);
    }
    return ControlGroupsV1.open(fileSystem, "thresher-" + executor);
  }

  /** As above, for this process where control groups are usually mounted. */
  public static ControlGroups prepare(String executor) throws IOException {
    return prepare(
        Path.of("/sys/fs/cgroup"), Files.readAllLines(Path.of("/proc/self/cgroup")), executor);
  }

  /** What is limited and measured, for the executor's first lines of log. */
  public abstract String enforced();

  /** A group for one build. */
  abstract Group create(String name, Limits limits) throws IOException;

  /** Removes the executor's own groups; those of builds are gone already. */
  @Override
  public abstract void close();

  /**
   * A file that takes processes into a group.
   *
   * @param in takes their ids; 0 is who writes it
   * @param out that of the group to which the launcher goes back, where it goes through and starts
   *     the command inside, so that nothing of that was ever elsewhere; empty: the command is put
   *     in as soon as it has been started
   */
  record Door(Path in, Optional<Path> out) {}

  /** The group of one build. Used by one thread. */
  interface Group extends AutoCloseable {
    /** One for each hierarchy. */
    List<Path> directories();

    /** What takes a command into the group; all of them are needed. */
    List<Door> doors();

    boolean limitsMemory();

    boolean limitsProcesses();

    void killAll() throws IOException;

    /** How many processes the kernel killed because the group had no memory left. */
    long outOfMemoryKills() throws IOException;

    /** How often a process could not be started because the group had too many. */
    long refusedProcesses() throws IOException;

    /** What was sampled, with what the group counts in its place. */
    Usage usage(Usage sampled) throws IOException;

    /** The build is over by itself and was measured: once closed, the group may serve another. */
    default void ended() throws IOException {}

    @Override
    void close() throws IOException;
  }

  static void write(Path file, long value) throws IOException {
    Files.writeString(file, Long.toString(value));
  }

  static long number(Path file) throws IOException {
    return Long.parseLong(Files.readString(file).trim());
  }

  /** A line "name number"; 0 where the file or the line is not there. */
  static long field(Path file, String name) throws IOException {
    try (Stream<String> lines = Files.lines(file)) {
      return field(lines, name);
    } catch (NoSuchFileException e) {
      return 0;
    }
  }

  /** A line "name number"; 0 where there is none. */
  static long field(Stream<String> lines, String name) {
    return lines
        .filter(line -> line.startsWith(name + " "))
        .map(line -> Long.parseLong(line.substring(name.length() + 1).strip()))
        .findFirst()
        .orElse(0L);
  }

  static void removeChildren(Path own) throws IOException {
    List<Path> found;
    try (Stream<Path> children = Files.list(own)) {
      found = children.filter(Files::isDirectory).toList();
    }
    for (Path child : found) {
      remove(child);
    }
  }

  static void remove(Path group) throws IOException {
    // A killed process leaves its group a moment later.
    for (int round = 0; ; round++) {
      try {
        Files.deleteIfExists(group);
        return;
      } catch (DirectoryNotEmptyException e) {
        throw e;
      } catch (IOException e) {
        if (round >= KILL_ROUNDS) {
          throw e;
        }
        kill(group);
        pause(round);
      }
    }
  }

  static void kill(Path group) throws IOException {
    for (int round = 0; round < KILL_ROUNDS; round++) {
      List<String> members;
      try {
        members = Files.readString(group.resolve("cgroup.procs")).lines().toList();
      } catch (NoSuchFileException e) {
        return;
      }
      if (members.isEmpty()) {
        return;
      }
      Path killAll = group.resolve("cgroup.kill");
      if (Files.exists(killAll)) {
        Files.writeString(killAll, "1");
      } else {
        for (String pid : members) {
          ProcessHandle.of(Long.parseLong(pid)).ifPresent(ProcessHandle::destroyForcibly);
        }
      }
      pause(round);
    }
  }

  /** Most are gone within the first millisecond. */
  static void pause(int round) {
    try {
      Thread.sleep(Duration.ofNanos(round < 10 ? 200_000 : 10_000_000));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Where nothing can be written. */
  static final class None extends ControlGroups {
    @Override
    public String enforced() {
      return "no control groups can be written: the memory of builds is not limited, their"
          + " processes only by user, and both are measured by sampling";
    }

    @Override
    Group create(String name, Limits limits) {
      return new Group() {
        @Override
        public List<Path> directories() {
          return List.of();
        }

        @Override
        public List<Door> doors() {
          return List.of();
        }

        @Override
        public boolean limitsMemory() {
          return false;
        }

        @Override
        public boolean limitsProcesses() {
          return false;
        }

        @Override
        public void killAll() {}

        @Override
        public long outOfMemoryKills() {
          return 0;
        }

        @Override
        public long refusedProcesses() {
          return 0;
        }

        @Override
        public Usage usage(Usage sampled) {
          return sampled;
        }

        @Override
        public void close() {}
      };
    }

    @Override
    public void close() {}
  }
}
