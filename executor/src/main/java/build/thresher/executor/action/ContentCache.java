package build.thresher.executor.action;

import build.thresher.cas.api.Scope;
import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Files of inputs on this machine, each content once, the least recently used removed when all
 * together exceed the limit. A file is in the cache only when it is complete. What is held is not
 * removed. Survives restarts of the executor, but not of the machine: files are not synced, and
 * after a power cut their bytes could be anything.
 *
 * <p>The cache never lets an action near its files; whoever takes a path may link or copy it, never
 * write it. Thread-safe; who wants a file that somebody fetches waits for it. The monitor guards
 * the map and is not held during I/O.
 */
final class ContentCache {
  private static final Logger log = LoggerFactory.getLogger(ContentCache.class);

  private enum State {
    FETCHING,
    PRESENT
  }

  private static final class Entry {
    State state = State.FETCHING;
    int holders;
  }

  private final Path root;
  private final long limitBytes;
  private final FileFetcher fetcher;

  /** In order of use, the oldest first. */
  private final Map<FileKey, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);

  private long totalBytes;

  /**
   * @param root the cache's own directory; its content of an earlier executor is kept
   */
  ContentCache(Path root, long limitBytes, FileFetcher fetcher) throws IOException {
    this.root = root;
    this.limitBytes = limitBytes;
    this.fetcher = fetcher;
    load();
  }

  private void load() throws IOException {
    FileTrees.createReadable(root);
    Path boot = root.resolve("boot");
    String now = Files.readString(Path.of("/proc/sys/kernel/random/boot_id"));
    if (!Files.isRegularFile(boot) || !Files.readString(boot).equals(now)) {
      FileTrees.delete(root);
      FileTrees.createReadable(root);
      Files.writeString(boot, now);
    }
    FileTrees.delete(unfinished());
    Files.createDirectory(unfinished());
    try (Stream<Path> files = Files.walk(root, 2)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        if (root.relativize(file).getNameCount() == 2) {
          restore(file);
        }
      }
    }
  }

  private void restore(Path file) throws IOException {
    try {
      FileKey key = FileKey.parse(String.valueOf(file.getFileName()));
      if (Files.size(file) == key.digest().sizeBytes() && file.equals(path(key))) {
        Entry entry = new Entry();
        entry.state = State.PRESENT;
        entries.put(key, entry);
        totalBytes += key.digest().sizeBytes();
        return;
      }
    } catch (IllegalArgumentException e) {
      log.warn("removing {} from the cache: {}", file, e.getMessage());
    }
    Files.delete(file);
  }

  private Path unfinished() {
    return root.resolve("unfinished");
  }

  /** Where the file is while it is held. */
  Path path(FileKey key) {
    String name = key.fileName();
    return root.resolve(name.substring(0, 2)).resolve(name);
  }

  /**
   * Brings all of these files in and holds them until {@link #release}.
   *
   * @throws MissingInputsException naming all that the store lacks; nothing is held then
   */
  void acquire(Scope scope, Collection<FileKey> wanted) throws IOException {
    Set<FileKey> held = new HashSet<>();
    boolean complete = false;
    try {
      Set<FileKey> rest = new HashSet<>(wanted);
      while (!rest.isEmpty()) {
        List<FileKey> mine = claim(rest, held);
        if (!mine.isEmpty()) {
          fetch(scope, mine);
        }
      }
      complete = true;
    } finally {
      if (!complete) {
        release(held);
      }
    }
    evict();
  }

  /** Takes what is there out of the rest; returns what the caller is to fetch, or waits. */
  private synchronized List<FileKey> claim(Set<FileKey> rest, Set<FileKey> held)
      throws IOException {
    List<FileKey> mine = new ArrayList<>();
    while (true) {
      int left = rest.size();
      for (Iterator<FileKey> keys = rest.iterator(); keys.hasNext(); ) {
        FileKey key = keys.next();
        Entry entry = entries.get(key);
        if (entry == null) {
          entries.put(key, new Entry());
          mine.add(key);
        } else if (entry.state == State.PRESENT) {
          entry.holders++;
          held.add(key);
          keys.remove();
        }
      }
      if (!mine.isEmpty() || rest.size() < left) {
        return mine;
      }
      try {
        wait();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted while inputs are fetched");
      }
    }
  }

  private void fetch(Scope scope, List<FileKey> mine) throws IOException {
    boolean done = false;
    try {
      Map<FileKey, Path> places = new HashMap<>();
      for (FileKey key : mine) {
        Path path = path(key);
        Files.createDirectories(path.getParent());
        places.put(key, path);
      }
      fetcher.fetch(scope, places, unfinished());
      done = true;
    } finally {
      synchronized (this) {
        for (FileKey key : mine) {
          Entry entry = entries.get(key);
          if (done && entry != null) {
            entry.state = State.PRESENT;
            totalBytes += key.digest().sizeBytes();
          } else {
            entries.remove(key);
          }
        }
        notifyAll();
      }
    }
  }

  /** Lets go of files that were acquired. */
  synchronized void release(Collection<FileKey> held) {
    for (FileKey key : held) {
      Entry entry = entries.get(key);
      if (entry != null) {
        entry.holders--;
      }
    }
  }

  synchronized boolean isOverLimit() {
    return totalBytes > limitBytes;
  }

  synchronized long totalBytes() {
    return totalBytes;
  }

  /** Removes what nobody holds until the rest fits; what is held stays, whatever the limit. */
  void evict() throws IOException {
    synchronized (this) {
      if (totalBytes <= limitBytes) {
        return;
      }
      int count = 0;
      Iterator<Map.Entry<FileKey, Entry>> oldest = entries.entrySet().iterator();
      while (totalBytes > limitBytes && oldest.hasNext()) {
        Map.Entry<FileKey, Entry> next = oldest.next();
        if (next.getValue().state == State.PRESENT && next.getValue().holders == 0) {
          // Under the monitor: nobody may fetch it again while it is being removed.
          Files.deleteIfExists(path(next.getKey()));
          oldest.remove();
          totalBytes -= next.getKey().digest().sizeBytes();
          count++;
        }
      }
      log.info("evicted {} input files; {} bytes remain", count, totalBytes);
    }
  }
}
