package build.thresher.executor.inputs;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Directories that are expensive to make, each made once and shared by all who use it, in this
 * process and in others that have the same cache. What lies on the disk is all that there is to
 * know: nothing is lost with a process.
 *
 * <p>A directory is visible only when it is complete: it is filled under another name and renamed.
 * After a power cut it may be there without its content, so its size is checked when a process uses
 * it for the first time. What is in use is never removed; of the rest, the least recently used goes
 * first when all together exceed the limit.
 *
 * <p>Locks of the guard: shared while used, exclusive while filled or removed. Nobody waits for an
 * exclusive one, so nobody waits in a circle.
 *
 * <p>Thread-safe; callers that want the same absent directory wait for one filler. The monitor of
 * this object guards the map and the counts, and is never held during I/O on entries.
 */
final class DirectoryCache {
  private static final Logger log = LoggerFactory.getLogger(DirectoryCache.class);
  private static final String CONTENT = "content";
  private static final String SIZE = "size";
  private static final String UNFINISHED = ".unfinished-";

  /** Other processes may have filled the cache; look at least after so many fillings. */
  private static final int FILLS_BETWEEN_SCANS = 20;

  /** Makes the content of one directory. */
  interface Filler {
    /** Fills the directory, which exists and is empty. */
    void fill(Path directory) throws IOException;
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
      return directory(entry.key).resolve(CONTENT);
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

  /** What lies on the disk. */
  private record Stored(String key, long bytes, FileTime lastUse) {}

  private final Path root;
  private final long limitBytes;
  private final Guard guard;
  private final InstantSource clock;
  private final Map<String, Entry> entries = new HashMap<>();
  private final Set<String> checked = ConcurrentHashMap.newKeySet();
  private final ReentrantLock evicting = new ReentrantLock();
  private final AtomicLong unfinished = new AtomicLong();
  private long fills;
  private long bytesAfterScan;
  private long fillsAfterScan;

  DirectoryCache(Path root, long limitBytes, Guard guard, InstantSource clock) throws IOException {
    this.root = root;
    this.limitBytes = limitBytes;
    this.guard = guard;
    this.clock = clock;
    FileTrees.createReadable(root);
    removeUnfinished();
    bytesAfterScan = totalBytes();
  }

  private Path directory(String key) {
    return root.resolve(key);
  }

  /** What processes left that died while they filled or removed. */
  private void removeUnfinished() throws IOException {
    for (Path directory : directories()) {
      String name = String.valueOf(directory.getFileName());
      boolean halfMade = name.startsWith(UNFINISHED);
      if (!halfMade && (name.startsWith(".") || Files.exists(directory.resolve(SIZE)))) {
        continue;
      }
      String key = halfMade ? name.substring(UNFINISHED.length(), name.indexOf('.', 1)) : name;
      Optional<Closeable> lock = guard.tryExclusive(key);
      if (lock.isPresent()) {
        try (Closeable held = lock.get()) {
          FileTrees.delete(directory);
        }
      }
    }
  }

  private List<Path> directories() throws IOException {
    try (Stream<Path> children = Files.list(root)) {
      return children.filter(d -> Files.isDirectory(d, LinkOption.NOFOLLOW_LINKS)).toList();
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
      Files.setLastModifiedTime(directory(key).resolve(SIZE), FileTime.from(clock.instant()));
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
        if (!isComplete(key)) {
          FileTrees.delete(directory(key));
          fill(key, filler);
        }
      }
    }
    shared = guard.shared(key);
    if (!isComplete(key, shared)) {
      // Evicted just now, or others hold the lock for a directory beside this one.
      try {
        fill(key, filler);
      } catch (IOException | RuntimeException e) {
        shared.close();
        throw e;
      }
    }
    return shared;
  }

  private boolean isComplete(String key, Closeable lock) throws IOException {
    try {
      return isComplete(key);
    } catch (IOException e) {
      lock.close();
      throw e;
    }
  }

  private boolean isComplete(String key) throws IOException {
    Path directory = directory(key);
    if (!Files.isRegularFile(directory.resolve(SIZE))) {
      return false;
    }
    if (checked.contains(key)) {
      return true;
    }
    long bytes = FileTrees.usage(directory.resolve(CONTENT)).bytes();
    if (bytes != size(directory)) {
      log.warn("{} holds {} bytes, not {}; it is made again", directory, bytes, size(directory));
      return false;
    }
    checked.add(key);
    return true;
  }

  private static long size(Path directory) throws IOException {
    String text = Files.readString(directory.resolve(SIZE)).trim();
    return text.matches("[0-9]{1,18}") ? Long.parseLong(text) : -1;
  }

  /** The directory is not there; the caller holds the lock, in whichever way. */
  private void fill(String key, Filler filler) throws IOException {
    Path made = unfinished(key);
    try {
      Path content = FileTrees.createReadable(made.resolve(CONTENT));
      filler.fill(content);
      long bytes = FileTrees.usage(content).bytes();
      Files.writeString(made.resolve(SIZE), Long.toString(bytes));
      Files.move(made, directory(key), StandardCopyOption.ATOMIC_MOVE);
      checked.add(key);
      synchronized (this) {
        bytesAfterScan += bytes;
        fillsAfterScan++;
        fills++;
      }
    } catch (FileSystemException e) {
      FileTrees.delete(made);
      // Others may have been faster who hold the lock in the same way.
      if (!isComplete(key)) {
        throw e;
      }
    } catch (IOException | RuntimeException e) {
      FileTrees.delete(made);
      throw e;
    }
  }

  private Path unfinished(String key) {
    return root.resolve(
        UNFINISHED
            + key
            + "."
            + ProcessHandle.current().pid()
            + "."
            + unfinished.incrementAndGet());
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
      List<Stored> stored = new ArrayList<>(stored());
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
        // Renamed first: a crash in the middle leaves nothing that looks complete.
        Path doomed = unfinished(key);
        Files.move(directory(key), doomed, StandardCopyOption.ATOMIC_MOVE);
        checked.remove(key);
        FileTrees.delete(doomed);
      } catch (NoSuchFileException e) {
        return true; // Another process was faster.
      }
      log.info("evicted {} ({} bytes) from {}", key, victim.bytes(), root);
      return true;
    } finally {
      synchronized (this) {
        entries.remove(key);
        notifyAll();
      }
    }
  }

  private List<Stored> stored() throws IOException {
    List<Stored> stored = new ArrayList<>();
    for (Path directory : directories()) {
      String key = String.valueOf(directory.getFileName());
      if (key.startsWith(".")) {
        continue;
      }
      try {
        FileTime lastUse = Files.getLastModifiedTime(directory.resolve(SIZE));
        stored.add(new Stored(key, Math.max(0, size(directory)), lastUse));
      } catch (NoSuchFileException e) {
        // Another process has just removed it.
      }
    }
    return stored;
  }

  /** Bytes of all entries together. */
  long totalBytes() throws IOException {
    return stored().stream().mapToLong(Stored::bytes).sum();
  }

  /** How often this process made an entry. */
  synchronized long fills() {
    return fills;
  }
}
