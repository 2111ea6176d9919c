package build.thresher.executor.inputs;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import org.jspecify.annotations.Nullable;

/**
 * Walks over directories that builds may have filled: never follows a symbolic link. Used by any
 * thread; nobody else may change the same directory meanwhile.
 */
public final class FileTrees {
  private FileTrees() {}

  /**
   * Removes a directory with all that is below, whatever permissions a build left on it. Absent is
   * fine.
   */
  public static void delete(Path root) throws IOException {
    if (!Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes)
              throws IOException {
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            remove(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failure)
              throws IOException {
            if (failure instanceof NoSuchFileException) {
              return FileVisitResult.CONTINUE;
            }
            // A directory that its owner may not read: open it up and go in again.
            if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
              unlock(file);
              delete(file);
              return FileVisitResult.CONTINUE;
            }
            throw failure;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path dir, @Nullable IOException failure)
              throws IOException {
            if (failure != null) {
              throw failure;
            }
            remove(dir);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  private static void remove(Path path) throws IOException {
    try {
      Files.deleteIfExists(path);
    } catch (java.nio.file.AccessDeniedException e) {
      Path parent = path.getParent();
      if (parent == null) {
        throw e;
      }
      unlock(parent);
      Files.deleteIfExists(path);
    }
  }

  private static void unlock(Path directory) throws IOException {
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
  }

  /**
   * Makes a directory, its missing parents too, that builds of another user may enter and read,
   * whatever the umask of the executor.
   */
  public static Path createReadable(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      Path parent = directory.getParent();
      if (parent != null) {
        createReadable(parent);
      }
      Files.createDirectory(directory);
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    return directory;
  }

  /** Room that a tree takes. What vanishes or cannot be read during the walk counts as nothing. */
  public static Usage usage(Path root) throws IOException {
    long[] count = new long[2];
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
            count[1]++;
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            count[0] += attributes.isRegularFile() ? attributes.size() : 0;
            count[1]++;
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failure) {
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path dir, @Nullable IOException failure) {
            return FileVisitResult.CONTINUE;
          }
        });
    return new Usage(count[0], count[1]);
  }

  /**
   * What a tree holds.
   *
   * @param bytes sum of the sizes of its regular files
   * @param entries files, links and directories
   */
  public record Usage(long bytes, long entries) {}
}
