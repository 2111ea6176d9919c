package build.thresher.cas.store;

import build.thresher.cas.api.SyncedDirectories;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A directory that holds a store of this format and belongs to this process alone. {@code FORMAT}
 * names the format, {@code LOCK} is locked while open, {@code CLEAN} stands there only after a
 * close.
 */
final class StoreDirectory implements AutoCloseable {
  static final String FORMAT = "thresher blob store, format 1\n";

  private final Path dir;
  private final FileChannel lock;
  private final boolean clean;

  private StoreDirectory(Path dir, FileChannel lock, boolean clean) {
    this.dir = dir;
    this.lock = lock;
    this.clean = clean;
  }

  /**
   * @throws IOException when another process has it, or it holds something else
   */
  static StoreDirectory open(Path dir, Disk disk) throws IOException {
    SyncedDirectories.create(dir);
    FileChannel lock =
        FileChannel.open(dir.resolve("LOCK"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    boolean opened = false;
    try {
      if (tryLock(lock) == null) {
        throw new IOException(
            "the store in " + dir + " is in use by another process; stop that one first");
      }
      checkFormat(dir, disk);
      boolean clean = Files.deleteIfExists(dir.resolve("CLEAN"));
      disk.syncDirectory(dir);
      opened = true;
      return new StoreDirectory(dir, lock, clean);
    } finally {
      if (!opened) {
        lock.close();
      }
    }
  }

  private static @Nullable FileLock tryLock(FileChannel lock) throws IOException {
    try {
      return lock.tryLock();
    } catch (OverlappingFileLockException e) {
      return null;
    }
  }

  private static void checkFormat(Path dir, Disk disk) throws IOException {
    Path format = dir.resolve("FORMAT");
    if (Files.exists(format)) {
      String found = Files.readString(format);
      if (!found.equals(FORMAT)) {
        throw new IOException(
            "the store in "
                + dir
                + " has the format '"
                + found.strip()
                + "'; this version reads '"
                + FORMAT.strip()
                + "' only");
      }
      return;
    }
    try (Stream<Path> others = Files.list(dir)) {
      if (others.anyMatch(p -> !p.getFileName().toString().matches("LOCK|FORMAT\\.new"))) {
        throw new IOException(
            dir
                + " is not empty and has no FORMAT file, so it is no store; give another directory");
      }
    }
    Path fresh = dir.resolve("FORMAT.new");
    try (FileChannel out =
        FileChannel.open(
            fresh,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      out.write(ByteBuffer.wrap(FORMAT.getBytes(StandardCharsets.UTF_8)));
      disk.syncFile(out);
    }
    Files.move(fresh, format);
  }

  /** Whether the last owner closed it. */
  boolean wasClosedCleanly() {
    return clean;
  }

  /** Says that nothing is left to clean up, then lets others in. */
  @Override
  public void close() throws IOException {
    try (lock) {
      Files.createFile(dir.resolve("CLEAN"));
    }
  }

  /** Lets others in after a failed open. */
  void abandon() throws IOException {
    lock.close();
  }
}
