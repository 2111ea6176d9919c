package build.thresher.executor.inputs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How the directories of a cache lie on the disk: each under its key, with its content and a file
 * that holds the size of that and whose time is the last use. One that is being made or removed has
 * another name, so that what has its key is complete; only after a power cut it may be there
 * without its content, so its size is checked when a process looks at it for the first time.
 *
 * <p>Thread-safe as far as callers have locked the keys that they name.
 */
final class StoredDirectories {
  private static final Logger log = LoggerFactory.getLogger(StoredDirectories.class);
  private static final String CONTENT = "content";
  private static final String SIZE = "size";
  private static final String UNFINISHED = ".unfinished-";

  private final Path root;
  private final Set<String> checked = ConcurrentHashMap.newKeySet();
  private final AtomicLong unfinished = new AtomicLong();

  /** Whose unfinished ones they are: processes in several containers may have one number. */
  private final String mark = UUID.randomUUID().toString();

  /** What is there under a key. */
  record Stored(String key, long bytes, FileTime lastUse) {}

  /** What a process left that died while it filled or removed that key. */
  record LeftOver(String key, Path directory) {}

  StoredDirectories(Path root) throws IOException {
    this.root = FileTrees.createReadable(root);
  }

  private Path directory(String key) {
    return root.resolve(key);
  }

  Path content(String key) {
    return directory(key).resolve(CONTENT);
  }

  void touch(String key, Instant now) throws IOException {
    Files.setLastModifiedTime(directory(key).resolve(SIZE), FileTime.from(now));
  }

  boolean isComplete(String key) throws IOException {
    Path directory = directory(key);
    if (!Files.isRegularFile(directory.resolve(SIZE))) {
      return false;
    }
    if (checked.contains(key)) {
      return true;
    }
    long bytes = FileTrees.usage(content(key)).bytes();
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

  /**
   * Makes the directory of a key that is not there, and returns its size.
   *
   * @throws java.nio.file.FileSystemException also when another was faster
   */
  long make(String key, DirectoryCache.Filler filler) throws IOException, InterruptedException {
    Path made = unfinished(key);
    try {
      Path content = FileTrees.createReadable(made.resolve(CONTENT));
      filler.fill(content);
      long bytes = FileTrees.usage(content).bytes();
      Files.writeString(made.resolve(SIZE), Long.toString(bytes));
      Files.move(made, directory(key), StandardCopyOption.ATOMIC_MOVE);
      checked.add(key);
      return bytes;
    } catch (IOException | RuntimeException | InterruptedException e) {
      FileTrees.delete(made);
      throw e;
    }
  }

  /** Removes what is there under a key, complete or not. */
  void discard(String key) throws IOException {
    checked.remove(key);
    FileTrees.delete(directory(key));
  }

  /**
   * Removes a complete directory: a crash in the middle leaves nothing that looks complete.
   *
   * @throws NoSuchFileException when it is not there
   */
  void remove(String key) throws IOException {
    Path doomed = unfinished(key);
    Files.move(directory(key), doomed, StandardCopyOption.ATOMIC_MOVE);
    checked.remove(key);
    FileTrees.delete(doomed);
  }

  private Path unfinished(String key) {
    return root.resolve(UNFINISHED + key + "." + mark + "." + unfinished.incrementAndGet());
  }

  List<LeftOver> leftOvers() throws IOException {
    List<LeftOver> leftOvers = new ArrayList<>();
    for (Path directory : directories()) {
      String name = String.valueOf(directory.getFileName());
      if (name.startsWith(UNFINISHED)) {
        leftOvers.add(
            new LeftOver(name.substring(UNFINISHED.length(), name.indexOf('.', 1)), directory));
      } else if (!name.startsWith(".") && !Files.exists(directory.resolve(SIZE))) {
        leftOvers.add(new LeftOver(name, directory));
      }
    }
    return leftOvers;
  }

  List<Stored> list() throws IOException {
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

  private List<Path> directories() throws IOException {
    try (Stream<Path> children = Files.list(root)) {
      return children.filter(d -> Files.isDirectory(d, LinkOption.NOFOLLOW_LINKS)).toList();
    }
  }

  @Override
  public String toString() {
    return root.toString();
  }
}
