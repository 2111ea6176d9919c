package build.thresher.cas.api;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Makes directories that are there after a power cut. POSIX promises a new name only once the
 * directory that holds it was synced, so a store that syncs nothing but its own files can lose all
 * of them with the directory around them.
 */
public final class SyncedDirectories {
  private SyncedDirectories() {}

  /**
   * Makes a directory and those above it where they are missing, and syncs the names of all that
   * were. The name of an existing one is synced too: whoever made it may have been cut off before.
   */
  public static Path create(Path directory) throws IOException {
    Path parent = directory.toAbsolutePath().getParent();
    if (parent != null && !Files.isDirectory(parent)) {
      create(parent);
    }
    Files.createDirectories(directory);
    if (parent != null) {
      sync(parent);
    }
    return directory;
  }

  /** Waits until the names in a directory are on disk. */
  public static void sync(Path directory) throws IOException {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }
}
