package build.thresher.executor.inputs;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
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
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Directories that are expensive to make, each made once and shared by all who use it.
 *
 * <p>A directory is visible only when it is complete: it is filled under another name and renamed.
 * What is in use is never removed; of the rest, the least recently used goes first when all
 * together exceed the limit. Survives restarts. One process at a time owns the cache's directory.
 *
 * <p>Thread-safe; callers that want the same absent directory wait for one filler. The monitor of
 * this object guards the map and the counts, and is never held during I/O on entries.
 */
final class DirectoryCache {
  private static final Logger log = LoggerFactory.getLogger(DirectoryCache.class);
  private static final String CONTENT = "content";
  private static final String SIZE = "size";
  private static final String UNFINISHED = ".unfinished-";

  /** Makes the content of one directory. */
  interface Filler {
    /** Fills the directory, which exists and is empty. */
    void fill(Path directory) throws IOException;
  }

  /** Something to do to an entry. */
  interface Action {
    void run() throws IOException;
  }

  /** Excludes other processes; the cache itself excludes threads of this one. */
  interface Guard {
    /** Nobody else uses the entry during the action. */
    void exclusively(String key, Action action) throws IOException;

    /** Nobody else removes the entry until closed. */
    Closeable shared(String key) throws IOException;
  }

  /** A directory in use; close when done. */
  final class Use implements Closeable {
    private final Entry entry;
    private boolean closed;

    private Use(Entry entry) {
      this.entry = entry;
    }

    Path path() {
      return entry.directory.resolve(CONTENT);
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

  private enum State {
    BUSY,
    PRESENT,
    GONE
  }

  private static final class Entry {
    final String key;
    final Path directory;
    State state = State.BUSY;
    int users;
    long bytes;
    long lastUse;
    Closeable lock = () -> {};

    Entry(String key, Path directory) {
      this.key = key;
      this.directory = directory;
    }
  }

  private final Path root;
  private final long limitBytes;
  private final Guard guard;
  private final InstantSource clock;
  private final Map<String, Entry> entries = new HashMap<>();
  private long totalBytes;
  private long uses;
  private long fills;

  DirectoryCache(Path root, long limitBytes, Guard guard, InstantSource clock) throws IOException {
    this.root = root;
    this.limitBytes = limitBytes;
    this.guard = guard;
    this.clock = clock;
    load();
  }

  private void load() throws IOException {
    FileTrees.createReadable(root);
    List<Path> found;
    try (Stream<Path> children = Files.list(root)) {
      found = children.filter(Files::isDirectory).toList();
    }
    Map<Path, FileTime> lastUses = new HashMap<>();
    for (Path directory : found) {
      Path size = directory.resolve(SIZE);
      String key = String.valueOf(directory.getFileName());
      if (key.startsWith(UNFINISHED) || !Files.isRegularFile(size)) {
        if (!key.startsWith(".spack-db")) {
          FileTrees.delete(directory);
        }
        continue;
      }
      Entry entry = new Entry(key, directory);
      entry.bytes = Long.parseLong(Files.readString(size).trim());
      entry.state = State.PRESENT;
      lastUses.put(directory, Files.getLastModifiedTime(size));
      entries.put(key, entry);
      totalBytes += entry.bytes;
    }
    List<Entry> byAge = new ArrayList<>(entries.values());
    byAge.sort(
        Comparator.comparing(e -> lastUses.getOrDefault(e.directory, FileTime.fromMillis(0))));
    byAge.forEach(entry -> entry.lastUse = ++uses);
  }

  /** Returns the directory of that key, filled by now by somebody. */
  Use acquire(String key, Filler filler) throws IOException, InterruptedException {
    Entry entry;
    boolean fill;
    synchronized (this) {
      while (true) {
        Entry known = entries.get(key);
        if (known == null) {
          entry = new Entry(key, root.resolve(key));
          entries.put(key, entry);
          fill = true;
          break;
        }
        if (known.state == State.PRESENT) {
          entry = known;
          if (entry.users++ == 0) {
            entry.state = State.BUSY;
            fill = false;
            break;
          }
          entry.lastUse = ++uses;
          return new Use(entry);
        }
        wait();
      }
    }
    prepare(entry, fill, filler);
    evict();
    return new Use(entry);
  }

  /** The entry is BUSY and this thread's alone. */
  private void prepare(Entry entry, boolean fill, Filler filler) throws IOException {
    boolean done = false;
    try {
      if (fill) {
        guard.exclusively(entry.key, () -> fill(entry, filler));
      }
      entry.lock = guard.shared(entry.key);
      Files.setLastModifiedTime(entry.directory.resolve(SIZE), FileTime.from(clock.instant()));
      done = true;
    } finally {
      synchronized (this) {
        if (done) {
          entry.users = Math.max(entry.users, 1);
          entry.state = State.PRESENT;
          entry.lastUse = ++uses;
          if (fill) {
            totalBytes += entry.bytes;
            fills++;
          }
        } else {
          entry.state = State.GONE;
          entries.remove(entry.key);
          totalBytes -= fill ? 0 : entry.bytes;
        }
        notifyAll();
      }
    }
  }

  private void fill(Entry entry, Filler filler) throws IOException {
    Path unfinished = root.resolve(UNFINISHED + entry.key);
    FileTrees.delete(unfinished);
    try {
      Path content = FileTrees.createReadable(unfinished.resolve(CONTENT));
      filler.fill(content);
      entry.bytes = FileTrees.usage(content).bytes();
      Files.writeString(unfinished.resolve(SIZE), Long.toString(entry.bytes));
      FileTrees.delete(entry.directory);
      Files.move(unfinished, entry.directory, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException | RuntimeException e) {
      FileTrees.delete(unfinished);
      throw e;
    }
  }

  private void release(Entry entry) throws IOException {
    Closeable lock;
    synchronized (this) {
      if (--entry.users > 0) {
        return;
      }
      lock = entry.lock;
      entry.lock = () -> {};
      // Under the monitor: a next user must not take the lock before this one has dropped it.
      lock.close();
    }
    evict();
  }

  private void evict() throws IOException {
    while (true) {
      Optional<Entry> victim = takeVictim();
      if (victim.isEmpty()) {
        return;
      }
      evict(victim.get());
    }
  }

  private synchronized Optional<Entry> takeVictim() {
    if (totalBytes <= limitBytes) {
      return Optional.empty();
    }
    Optional<Entry> victim =
        entries.values().stream()
            .filter(e -> e.state == State.PRESENT && e.users == 0)
            .min(Comparator.comparingLong(e -> e.lastUse));
    victim.ifPresent(e -> e.state = State.BUSY);
    return victim;
  }

  private void evict(Entry victim) throws IOException {
    try {
      guard.exclusively(
          victim.key,
          () -> {
            // Renamed first: a crash in the middle leaves nothing that looks complete.
            Path doomed = root.resolve(UNFINISHED + victim.key);
            FileTrees.delete(doomed);
            Files.move(victim.directory, doomed, StandardCopyOption.ATOMIC_MOVE);
            FileTrees.delete(doomed);
          });
    } finally {
      synchronized (this) {
        victim.state = State.GONE;
        entries.remove(victim.key);
        totalBytes -= victim.bytes;
        notifyAll();
      }
    }
    log.info("evicted {} ({} bytes) from {}", victim.key, victim.bytes, root);
  }

  /** Bytes of all entries together. */
  synchronized long totalBytes() {
    return totalBytes;
  }

  /** How often an entry was made since start. */
  synchronized long fills() {
    return fills;
  }
}
