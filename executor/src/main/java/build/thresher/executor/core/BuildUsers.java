package build.thresher.executor.core;

import build.thresher.executor.inputs.LockFile;
import com.google.common.collect.ContiguousSet;
import com.google.common.collect.ImmutableList;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * The users of this host that builds run as: one for each slot, and more for actions. No other
 * executor of the host has them while this one lives, and no account is one of them: a build's user
 * must own nothing but that build. The kernel gives them back when the process dies.
 */
final class BuildUsers implements Closeable {
  /** Executors in containers of one host do not see each other's; their users are apart anyway. */
  private static final Path DIRECTORY = Path.of("/run/thresher-executors");

  private static final int LOOK_AT = 10_000;

  private final int first;
  private final int builds;
  private final int count;
  private final LockFile lockFile;
  private final Deque<Closeable> locks;

  private BuildUsers(
      int first, int builds, int actions, LockFile lockFile, Deque<Closeable> locks) {
    this.first = first;
    this.builds = builds;
    this.count = builds + actions;
    this.lockFile = lockFile;
    this.locks = locks;
  }

  /**
   * Takes the first users in a row that are free.
   *
   * @param from the least that may be taken
   * @param builds how many for builds
   * @param actions how many for actions, behind those
   * @throws HostNotReadyException when there are none
   */
  static BuildUsers claim(int from, int builds, int actions) throws IOException {
    return claim(DIRECTORY, Path.of("/etc/passwd"), from, builds, actions);
  }

  static BuildUsers claim(Path directory, Path passwd, int from, int builds, int actions)
      throws IOException {
    int count = builds + actions;
    Set<Integer> accounts = accounts(passwd);
    Files.createDirectories(directory);
    // Who may read a file may lock it.
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
    LockFile lockFile = LockFile.open(directory.resolve("users"));
    try {
      for (int first = from; first < from + LOOK_AT; first++) {
        Deque<Closeable> locks = new ArrayDeque<>();
        while (locks.size() < count && !accounts.contains(first + locks.size())) {
          Optional<Closeable> lock = lockFile.tryExclusive(first + locks.size());
          if (lock.isEmpty()) {
            break;
          }
          locks.push(lock.get());
        }
        if (locks.size() == count) {
          return new BuildUsers(first, builds, actions, lockFile, locks);
        }
        // Whatever was in the way stands behind those that were taken.
        first += locks.size();
        release(locks);
      }
    } catch (IOException | RuntimeException e) {
      lockFile.close();
      throw e;
    }
    lockFile.close();
    throw new HostNotReadyException(
        "no "
            + count
            + " user ids in a row are free for builds from "
            + from
            + " on: they are accounts of this host, or other executors have them");
  }

  private static Set<Integer> accounts(Path passwd) throws IOException {
    Set<Integer> accounts = new HashSet<>();
    for (String line : Files.readAllLines(passwd)) {
      String[] fields = line.split(":", -1);
      if (fields.length > 2 && fields[2].matches("[0-9]{1,9}")) {
        accounts.add(Integer.parseInt(fields[2]));
      }
    }
    return accounts;
  }

  /** The user of a slot's Spack builds; slots count from 0. */
  int ofSlot(int slot) {
    return first + slot;
  }

  /** In sandboxes one of all actions: they share files of inputs, which have one owner. */
  ImmutableList<Integer> ofActions() {
    return ContiguousSet.closedOpen(first + builds, first + count).asList();
  }

  @Override
  public String toString() {
    return first + " to " + (first + count - 1);
  }

  @Override
  public void close() throws IOException {
    release(locks);
    lockFile.close();
  }

  private static void release(Deque<Closeable> locks) throws IOException {
    while (!locks.isEmpty()) {
      locks.pop().close();
    }
  }
}
