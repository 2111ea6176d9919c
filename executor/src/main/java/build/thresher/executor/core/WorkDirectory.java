package build.thresher.executor.core;

import build.thresher.executor.action.ActionSlot;
import build.thresher.executor.action.Kernel;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.inputs.LockFile;
import build.thresher.executor.sandbox.ControlGroups;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/**
 * Where executors of this host keep things: caches that all share, and a directory of each one's
 * own, locked against a second executor of the same name and cleared of what an earlier one left of
 * its builds. Thread-safe.
 */
final class WorkDirectory implements Closeable {
  private static final String BUILDS = "builds";
  private static final String ACTIONS = "actions";
  private static final List<String> OF_LEASES = List.of(BUILDS, ACTIONS);

  /** Bytes of an executor's lock: held while it lives, and while somebody looks whether it does. */
  private static final long LIVES = 0;

  private static final long LOOKED_AT = 1;

  private final Path root;
  private final Path own;
  private final LockFile lockFile;
  private final AtomicLong made = new AtomicLong();

  /** Directories of actions that are over, as good as new. */
  private final Queue<Path> spare = new ConcurrentLinkedQueue<>();

  private WorkDirectory(Path root, Path own, LockFile lockFile) {
    this.root = root;
    this.own = own;
    this.lockFile = lockFile;
  }

  static WorkDirectory open(Path root, String executor) throws IOException {
    Path all = FileTrees.createReadable(root.resolve("executors"));
    clearDead(root, all);
    Path own = FileTrees.createReadable(all.resolve(executor));
    LockFile lockFile = LockFile.open(own.resolve("lock"));
    if (!claim(lockFile)) {
      lockFile.close();
      throw new HostNotReadyException(
          "another executor of the name "
              + executor
              + " uses "
              + root
              + "; give each executor a name of its own");
    }
    clear(own);
    for (String kind : OF_LEASES) {
      FileTrees.createReadable(own.resolve(kind));
    }
    return new WorkDirectory(root, own, lockFile);
  }

  /** Whoever starts at the same time may be clearing up what an earlier executor left here. */
  private static boolean claim(LockFile lockFile) throws IOException {
    try (Closeable looking = look(lockFile)) {
      return lockFile.tryExclusive(LIVES).isPresent();
    }
  }

  private static Closeable look(LockFile lockFile) throws IOException {
    try {
      return lockFile.exclusive(LOOKED_AT);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted at start", e);
    }
  }

  /** Those of other names may never come back to clear up themselves. */
  private static void clearDead(Path root, Path all) throws IOException {
    try (Stream<Path> executors = Files.list(all)) {
      for (Path executor : executors.filter(Files::isDirectory).toList()) {
        if (OF_LEASES.stream().map(executor::resolve).noneMatch(Files::isDirectory)) {
          continue;
        }
        try (LockFile lockFile = LockFile.open(executor.resolve("lock"));
            Closeable looking = look(lockFile)) {
          Optional<Closeable> dead = lockFile.tryExclusive(LIVES);
          if (dead.isPresent()) {
            // All that has its name, while it cannot be started again.
            try (Closeable held = dead.get()) {
              String name = String.valueOf(executor.getFileName());
              ControlGroups.prepare(label(root, name)).close();
              clear(executor);
            }
          }
        }
      }
    }
  }

  /** Of what an earlier executor left of its leases. */
  private static void clear(Path executor) throws IOException {
    killOrphans(executor);
    // What an executor that was killed had mounted is still there.
    new Kernel().detachBelow(executor);
    deleteLeases(executor);
  }

  private static void deleteLeases(Path executor) throws IOException {
    for (String kind : OF_LEASES) {
      FileTrees.delete(executor.resolve(kind));
    }
  }

  /**
   * A sandbox dies with its executor, unless that is killed in the moment in which the sandbox is
   * being made. It is known by its command line, which names the lease's directory.
   */
  private static void killOrphans(Path executor) {
    String below = executor + "/";
    ProcessHandle.allProcesses()
        .filter(process -> isSandbox(process) && commandLine(process).contains(below))
        .forEach(
            process -> {
              process.destroyForcibly();
              process.onExit().orTimeout(5, TimeUnit.SECONDS).exceptionally(e -> process).join();
            });
  }

  private static boolean isSandbox(ProcessHandle process) {
    String[] words = commandLine(process).split("\0", -1);
    return words[0].endsWith("bwrap");
  }

  private static String commandLine(ProcessHandle process) {
    try {
      return Files.readString(Path.of("/proc/" + process.pid() + "/cmdline"));
    } catch (IOException e) {
      return ""; // It ended meanwhile.
    }
  }

  /** A name for an executor's things outside of here: another directory may have the same names. */
  String label(String executor) {
    return label(root, executor);
  }

  private static String label(Path root, String executor) {
    return executor + "-" + Integer.toHexString(root.toString().hashCode());
  }

  /** Of all executors here. */
  Path shared(String name) {
    return root.resolve(name);
  }

  /** Of this executor. */
  Path own(String name) {
    return own.resolve(name);
  }

  /** A directory for one build, to be given back. */
  Path newBuild() throws IOException {
    return FileTrees.createReadable(next(BUILDS));
  }

  /** A directory for one action, to be given back. */
  Path newAction() throws IOException {
    Path again = spare.poll();
    return again == null ? FileTrees.createReadable(next(ACTIONS)) : again;
  }

  private Path next(String kind) {
    return own.resolve(kind).resolve(Long.toString(made.incrementAndGet()));
  }

  /**
   * Removes all that a build or an action left. What is of the executor alone in the directory of
   * an action serves the next one: to make and remove directories takes the file system longer than
   * all else that is done for a small action.
   *
   * @param actions clears what was the action's
   */
  void giveBack(Path lease, Clearing actions) throws IOException {
    if (!Files.isDirectory(lease.resolve(ActionSlot.OWN), LinkOption.NOFOLLOW_LINKS)) {
      FileTrees.delete(lease);
      return;
    }
    for (Path child : children(lease)) {
      if (child.endsWith(ActionSlot.OWN)) {
        for (Path written : children(child)) {
          actions.clear(written);
        }
      } else {
        FileTrees.delete(child);
      }
    }
    spare.add(lease);
  }

  /** Makes something as if no action had seen it, or removes it. */
  interface Clearing {
    void clear(Path path) throws IOException;
  }

  private static List<Path> children(Path directory) throws IOException {
    try (Stream<Path> children = Files.list(directory)) {
      return children.toList();
    }
  }

  @Override
  public void close() throws IOException {
    deleteLeases(own);
    FileTrees.delete(own.resolve("etc"));
    lockFile.close();
  }
}
