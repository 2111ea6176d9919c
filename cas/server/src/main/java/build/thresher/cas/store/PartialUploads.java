package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * Large uploads that broke off: {@code partial/<hash of the upload's name>} holds the bytes that
 * arrived, so that the client can go on, after a restart too. They are trusted no more than the
 * bytes of any client: the whole is hashed before it becomes a blob. Bounded in number, size and
 * age; the oldest go first.
 *
 * <p>Threading: any thread. A file has one writer at a time.
 */
final class PartialUploads {
  static final Duration KEPT = Duration.ofHours(24);
  private static final int MAX_FILES = 1_000;
  private static final long MAX_BYTES = 16L << 30;

  private final Path dir;
  private final InstantSource clock;
  private final Set<Path> inUse = ConcurrentHashMap.newKeySet();

  private PartialUploads(Path dir, InstantSource clock) {
    this.dir = dir;
    this.clock = clock;
  }

  static PartialUploads open(Path store, InstantSource clock) throws IOException {
    PartialUploads partial =
        new PartialUploads(Files.createDirectories(store.resolve("partial")), clock);
    partial.expire();
    return partial;
  }

  long received(String upload) throws IOException {
    try {
      return Files.size(path(upload));
    } catch (NoSuchFileException e) {
      return 0;
    }
  }

  /** A name of the client's never becomes a path: its hash does. */
  private Path path(String upload) {
    return dir.resolve(Digest.of(upload.getBytes(StandardCharsets.UTF_8)).hex());
  }

  /** Takes the file of an upload; {@link #release} gives it back. */
  Path take(String upload) throws IOException {
    Path path = path(upload);
    if (!inUse.add(path)) {
      throw new StoreUnavailableException("another writer has this upload open; try again", null);
    }
    return path;
  }

  void release(Path path) throws IOException {
    if (Files.exists(path)) {
      Files.setLastModifiedTime(path, FileTime.from(clock.instant()));
    }
    inUse.remove(path);
    expire();
  }

  /** Opens a file that was taken, cut to the offset. */
  static FileChannel openAt(Path path, long offset) throws IOException {
    FileChannel file =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    boolean opened = false;
    try {
      if (file.size() < offset) {
        throw new IllegalArgumentException(
            "the write cannot go on at offset " + offset + ": " + file.size() + " bytes are here");
      }
      file.truncate(offset);
      opened = true;
      return file;
    } finally {
      if (!opened) {
        file.close();
      }
    }
  }

  private record Idle(Path path, long bytes, Instant touched) {}

  /** Removes what is too old, and the oldest of what is too much. */
  synchronized void expire() throws IOException {
    List<Idle> idle = new ArrayList<>();
    try (Stream<Path> all = Files.list(dir)) {
      for (Path path : (Iterable<Path>) all::iterator) {
        if (!inUse.contains(path)) {
          idle.add(new Idle(path, Files.size(path), Files.getLastModifiedTime(path).toInstant()));
        }
      }
    } catch (NoSuchFileException e) {
      return; // One was finished meanwhile; the next call sees the rest.
    }
    idle.sort(Comparator.comparing(Idle::touched).reversed());
    Instant oldest = clock.instant().minus(KEPT);
    long bytes = 0;
    int files = 0;
    for (Idle one : idle) {
      bytes += one.bytes();
      files++;
      if (one.touched().isBefore(oldest) || bytes > MAX_BYTES || files > MAX_FILES) {
        Files.deleteIfExists(one.path());
      }
    }
  }
}
