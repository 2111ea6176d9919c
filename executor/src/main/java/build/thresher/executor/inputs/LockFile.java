package build.thresher.executor.inputs;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * Locks on single bytes of a file, shared or exclusive, among processes and among the threads of
 * this one. The kernel drops them when the process dies. They are those that Spack takes (fcntl).
 *
 * <p>POSIX drops all locks of a process on a file when any descriptor of it is closed, and counts a
 * process once, however many of its threads lock a byte. So each file is open at most once in this
 * JVM, whoever opens it how often, and threads are counted here.
 *
 * <p>Thread-safe. Waiting polls: a thread that is interrupted inside of the JDK's blocking call
 * would close the file for all.
 */
public final class LockFile implements Closeable {
  private static final long FIRST_PAUSE_MILLIS = 2;
  private static final long LONGEST_PAUSE_MILLIS = 100;

  /** Of the whole process, because POSIX locks are. Guarded by itself. */
  private static final Map<Object, Opened> OPEN = new HashMap<>();

  private final Opened opened;
  private boolean closed;

  private LockFile(Opened opened) {
    this.opened = opened;
  }

  /** Opens a lock file, created if absent; its directory must exist. */
  public static LockFile open(Path path) throws IOException {
    synchronized (OPEN) {
      try {
        Files.createFile(path);
      } catch (FileAlreadyExistsException e) {
        // Nothing was opened, so no lock is lost.
      }
      Object key =
          Objects.requireNonNull(
              Files.readAttributes(path, BasicFileAttributes.class).fileKey(),
              "POSIX file systems identify their files");
      Opened opened = OPEN.get(key);
      if (opened == null) {
        opened =
            new Opened(
                key, FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE));
        OPEN.put(key, opened);
      }
      opened.users++;
      return new LockFile(opened);
    }
  }

  /** Waits until nobody holds the byte exclusively. Close to unlock. */
  public Closeable shared(long offset) throws IOException, InterruptedException {
    return await(offset, true);
  }

  /** Waits until nobody holds the byte in any way. Close to unlock. */
  public Closeable exclusive(long offset) throws IOException, InterruptedException {
    return await(offset, false);
  }

  private Closeable await(long offset, boolean shared) throws IOException, InterruptedException {
    long pause = FIRST_PAUSE_MILLIS;
    while (true) {
      Optional<Closeable> lock = opened.lock(offset, shared);
      if (lock.isPresent()) {
        return lock.get();
      }
      Thread.sleep(pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS);
    }
  }

  /** Locks the byte unless somebody holds it in any way. Close to unlock. */
  public Optional<Closeable> tryExclusive(long offset) throws IOException {
    return opened.lock(offset, false);
  }

  /** Locks that are still held stay held while others in this JVM have the file open. */
  @Override
  public void close() throws IOException {
    synchronized (OPEN) {
      if (!closed && --opened.users == 0) {
        OPEN.remove(opened.key);
        opened.channel.close();
      }
      closed = true;
    }
  }

  private static final class Held {
    final FileLock lock;
    int holders = 1;

    Held(FileLock lock) {
      this.lock = lock;
    }
  }

  private static final class Opened {
    final Object key;
    final FileChannel channel;
    private final Map<Long, Held> held = new HashMap<>();
    int users;

    Opened(Object key, FileChannel channel) {
      this.key = key;
      this.channel = channel;
    }

    synchronized Optional<Closeable> lock(long offset, boolean shared) throws IOException {
      Held known = held.get(offset);
      if (known == null) {
        FileLock lock = channel.tryLock(offset, 1, shared);
        if (lock == null) {
          return Optional.empty();
        }
        held.put(offset, new Held(lock));
      } else if (shared && known.lock.isShared()) {
        known.holders++;
      } else {
        return Optional.empty();
      }
      boolean[] released = new boolean[1];
      return Optional.of(() -> unlock(offset, released));
    }

    private synchronized void unlock(long offset, boolean[] released) throws IOException {
      Held known = held.get(offset);
      if (released[0] || known == null) {
        return;
      }
      released[0] = true;
      if (--known.holders == 0) {
        held.remove(offset);
        if (channel.isOpen()) {
          known.lock.release();
        }
      }
    }
  }
}
