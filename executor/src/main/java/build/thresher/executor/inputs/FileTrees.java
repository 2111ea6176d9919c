package build.thresher.executor.inputs;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * Walks over directories that builds may have filled: never follows a symbolic link. Used by any
 * thread; nobody else may change the same directory meanwhile.
 */
public final class FileTrees {
  /** Tests of the C library go down about 1,000; each level takes two descriptors meanwhile. */
  private static final int MAX_DEPTH = 1500;

  private static final int MAX_DELETED_DEPTH = 300;
  private static final long TOO_MANY = 1L << 62;

  private FileTrees() {}

  /**
   * Removes a directory with all that is below, whatever permissions a build left on it and however
   * deep it is. Absent is fine.
   */
  public static void delete(Path root) throws IOException {
    if (!Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (DirectoryStream<Path> top = Files.newDirectoryStream(root)) {
      deleteBelow(secure(root, top), 0);
      Files.deleteIfExists(root);
    } catch (FileSystemException | DirectoryIteratorException e) {
      deleteByPrograms(root, e);
    }
  }

  private static SecureDirectoryStream<Path> secure(Path root, DirectoryStream<Path> stream)
      throws IOException {
    if (stream instanceof SecureDirectoryStream<Path> directory) {
      return directory;
    }
    throw new IOException("the file system of " + root + " has no descriptors of directories");
  }

  private static void deleteBelow(SecureDirectoryStream<Path> directory, int depth)
      throws IOException {
    for (Path entry : directory) {
      Path name = entry.getFileName();
      try {
        if (!attributes(directory, name).isDirectory()) {
          directory.deleteFile(name);
          continue;
        }
        if (depth == MAX_DELETED_DEPTH) {
          throw new FileSystemException(name.toString(), null, "too deep");
        }
        try (SecureDirectoryStream<Path> child =
            directory.newDirectoryStream(name, LinkOption.NOFOLLOW_LINKS)) {
          deleteBelow(child, depth + 1);
        }
        directory.deleteDirectory(name);
      } catch (NoSuchFileException e) {
        // It is gone.
      }
    }
  }

  private static BasicFileAttributes attributes(SecureDirectoryStream<Path> directory, Path name)
      throws IOException {
    return directory
        .getFileAttributeView(name, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
        .readAttributes();
  }

  /** For what is closed to its owner, or so deep that it takes too many descriptors. */
  private static void deleteByPrograms(Path root, Exception failure) throws IOException {
    // Directories only: a file may be a further name of one that others use.
    String script =
        "find \"$1\" -xdev -type d ! -perm -700 -execdir chmod u+rwx {} \\; 2> /dev/null;"
            + " exec rm -rf --one-file-system -- \"$1\"";
    ProcessBuilder builder =
        new ProcessBuilder("/bin/sh", "-c", script, "delete", root.toString())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD);
    builder.environment().put("PATH", "/usr/bin:/bin");
    Process process = builder.start();
    process.getOutputStream().close();
    try {
      process.waitFor();
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
    if (Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException("cannot remove " + root, failure);
    }
  }

  /**
   * Makes a directory, its missing parents too, that builds of another user may enter and read,
   * whatever the umask of the executor. Others, of other processes too, may make it meanwhile.
   */
  public static Path createReadable(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      Path parent = directory.getParent();
      if (parent != null) {
        createReadable(parent);
      }
      try {
        Files.createDirectory(directory);
      } catch (FileAlreadyExistsException e) {
        if (!Files.isDirectory(directory)) {
          throw e;
        }
        return directory;
      }
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    return directory;
  }

  /**
   * Room that a tree takes, which may change meanwhile: no link is followed even if it takes a
   * directory's place. What vanishes or cannot be read counts as nothing; what is deeper than any
   * build needs, as more than any limit allows.
   */
  public static Usage usage(Path root) throws IOException {
    Count count = new Count();
    try (DirectoryStream<Path> top = Files.newDirectoryStream(root)) {
      SecureDirectoryStream<Path> directory = secure(root, top);
      count.entries++;
      count.add(directory, 0);
    }
    return new Usage(count.bytes, count.entries);
  }

  private static final class Count {
    long bytes;
    long entries;

    void add(SecureDirectoryStream<Path> directory, int depth) {
      try {
        for (Path entry : directory) {
          add(directory, entry.getFileName(), depth);
        }
      } catch (DirectoryIteratorException e) {
        // It vanished.
      }
    }

    private void add(SecureDirectoryStream<Path> directory, Path name, int depth) {
      try {
        BasicFileAttributes attributes =
            directory
                .getFileAttributeView(name, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
                .readAttributes();
        entries++;
        if (attributes.isRegularFile()) {
          bytes += attributes.size();
        } else if (attributes.isDirectory() && depth == MAX_DEPTH) {
          entries = TOO_MANY;
        } else if (attributes.isDirectory() && entries < TOO_MANY) {
          try (SecureDirectoryStream<Path> child =
              directory.newDirectoryStream(name, LinkOption.NOFOLLOW_LINKS)) {
            add(child, depth + 1);
          }
        }
      } catch (IOException e) {
        // It vanished, or is closed to everybody.
      }
    }
  }

  /**
   * What a tree holds.
   *
   * @param bytes sum of the sizes of its regular files
   * @param entries files, links and directories
   */
  public record Usage(long bytes, long entries) {}
}
