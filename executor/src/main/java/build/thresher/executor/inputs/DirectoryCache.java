package build.thresher.executor.inputs;

import build.thresher.executor.inputs.StoredDirectories.Stored;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Directories that are expensive to make, each made once and shared by all who use it, in this
 * process and in others that have the same cache. What lies on the disk is all that there is to
 * know: nothing is lost with a process. What is in use is never removed; of the rest, the least
 * recently used goes first when all together exceed the limit.
 *
 * <p>Locks of the guard: shared while used, exclusive while filled or removed. Nobody waits for an
 * exclusive one, so nobody waits in a circle.
 *
 * <p>Thread-safe; callers that want the same absent directory wait for one filler. The monitor of
 * this object guards the map and the counts, and is never held during I/O on entries.
 */
final class DirectoryCache {
  private static final Logger log = LoggerFactory.getLogger(DirectoryCache.class);

  /** Other processes may have filled the cache; look at least after so many fillings. */
  private static final int FILLS_BETWEEN_SCANS = 20;

  /** Makes the content of one directory. */
  interface Filler {
    /** Fills the directory, which exists and is empty. */
    void fill(Path directory) throws IOException, InterruptedException;
  }

  /** Locks entries, among processes and threads. */
  interface Guard {
    /** Waits while somebody fills or removes the entry. */
    Closeable shared(String key) throws IOException, InterruptedException;

    /** Empty while anybody else has a lock on the entry. */
    Optional<Closeable> tryExclusive(String key) throws IOException;
  }

  /** A directory in use; close when done. */
  final class Use implements Closeable {
    private final Entry entry;
    private boolean closed;

    private Use(Entry entry) {
      this.entry = entry;
    }

    Path path() {
      return directories.content(entry.key);
    }

    @Override
    public void close() throws IOException {
      synchronized (DirectoryCache.this) {
        if (closed) {
          return;
        }
        closed = true;
      }
      release(entry);
    }
  }

  /** Something that this process uses, fills or removes. */
  private static final class Entry {
    final String key;
    boolean busy = true;
    int users;
    Closeable lock = () -> {};

    Entry(String key) {
      this.key = key;
    }
  }

  private final StoredDirectories directories;
  private final long limitBytes;
  private final Guard guard;
  private final InstantSource clock;
  private final Map<String, Entry> entries = new HashMap<>();
  private final ReentrantLock evicting = new ReentrantLock();
  private long fills;
  private long bytesAfterScan;
  private long fillsAfterScan;

  DirectoryCache(Path root, long limitBytes, Guard guard, InstantSource clock) throws IOException {
    this.directories = new StoredDirectories(root);
    this.limitBytes = limitBytes;
    this.guard = guard;
    this.clock = clock;
    removeLeftOvers();
    bytesAfterScan = totalBytes();
  }

  private void removeLeftOvers() throws IOException {
    for (StoredDirectories.LeftOver leftOver : directories.leftOvers()) {
      Optional<Closeable> lock = guard.tryExclusive(leftOver.key());
      if (lock.isPresent()) {
        try (Closeable held = lock.get()) {
          FileTrees.delete(leftOver.directory());
        }
      }
    }
  }

  /** Returns the directory of that key, filled by now by somebody. */
  Use acquire(String key, Filler filler) throws IOException, InterruptedException {
    Entry entry;
    synchronized (this) {
      while (true) {
        Entry known = entries.get(key);
        if (known == null) {
          entry = new Entry(key);
          entries.put(key, entry);
          break;
        }
        if (!known.busy) {
          known.users++;
          return new Use(known);
        }
        wait();
      }
    }
    boolean done = false;
    try {
      entry.lock = lockPresent(key, filler);
      directories.touch(key, clock.instant());
      done = true;
    } finally {
      synchronized (this) {
        entry.busy = false;
        entry.users = 1;
        if (!done) {
          entries.remove(key);
        }
        notifyAll();
      }
      if (!done) {
        entry.lock.close();
      }
    }
    Use use = new Use(entry);
    if (isScanDue()) {
      evict();
    }
    return use;
  }

  /** Returns a shared lock on the directory, which is there. */
  private Closeable lockPresent(String key, Filler filler)
      throws IOException, InterruptedException {
    Closeable shared = guard.shared(key);
    if (isComplete(key, shared)) {
      return shared;
    }
    shared.close();
    Optional<Closeable> exclusive = guard.tryExclusive(key);
    if (exclusive.isPresent()) {
      try (Closeable held = exclusive.get()) {
        if (!directories.isComplete(key)) {
          directories.discard(key);
          fill(key, filler);
        }
      }
    }
    shared = guard.shared(key);
    if (!isComplete(key, shared)) {
      // Evicted just now, or others hold the lock for a directory beside this one.
      try {
        fill(key, filler);
      } catch (IOException | RuntimeException | InterruptedException e) {
        shared.close();
        throw e;
      }
    }
    return shared;
  }

  private boolean isComplete(String key, Closeable lock) throws IOException {
    try {
      return directories.isComplete(key);
    } catch (IOException e) {
      lock.close();
      throw e;
    }
  }

  /** The directory is not there; the caller holds the lock, in whichever way. */
  private void fill(String key, Filler filler) throws IOException, InterruptedException {
    try {
      long bytes = directories.make(key, filler);
      synchronized (this) {
        bytesAfterScan += bytes;
        fillsAfterScan++;
        fills++;
      }
    } catch (FileSystemException e) {
      // Others may have been faster who hold the lock in the same way.
      if (!directories.isComplete(key)) {
        throw e;
      }
    }
  }

  private void release(Entry entry) throws IOException {
    synchronized (this) {
      if (--entry.users > 0) {
        return;
      }
      entries.remove(entry.key);
      // Under the monitor: a next user must not find the lock still taken in another way.
      entry.lock.close();
    }
    if (isScanDue()) {
      evict();
    }
  }

  private synchronized boolean isScanDue() {
    return bytesAfterScan > limitBytes || fillsAfterScan >= FILLS_BETWEEN_SCANS;
  }

  private void evict() throws IOException {
    evicting.lock();
    try {
      List<Stored> stored = new ArrayList<>(directories.list());
      stored.sort(Comparator.comparing(Stored::lastUse));
      long total = stored.stream().mapToLong(Stored::bytes).sum();
      for (Stored victim : stored) {
        if (total <= limitBytes) {
          break;
        }
        if (evict(victim)) {
          total -= victim.bytes();
        }
      }
      synchronized (this) {
        bytesAfterScan = total;
        fillsAfterScan = 0;
      }
    } finally {
      evicting.unlock();
    }
  }

  /** False when somebody uses it. */
  private boolean evict(Stored victim) throws IOException {
    String key = victim.key();
    synchronized (this) {
      if (entries.containsKey(key)) {
        return false;
      }
      entries.put(key, new Entry(key));
    }
    try {
      Optional<Closeable> lock = guard.tryExclusive(key);
      if (lock.isEmpty()) {
        return false;
      }
      try (Closeable held = lock.get()) {
        directories.remove(key);
      } catch (NoSuchFileException e) {
        return true; // Another process was faster.
      }
      log.info("evicted {} ({} bytes) from {}", key, victim.bytes(), directories);
      return true;
    } finally {
      synchronized (this) {
        entries.remove(key);
        notifyAll();
      }
    }
  }

  /** Bytes of all entries together. */
  long totalBytes() throws IOException {
    return directories.list().stream().mapToLong(Stored::bytes).sum();
  }

  /** How often this process made an entry. */
  synchronized long fills() {
    return fills;
  }
}
