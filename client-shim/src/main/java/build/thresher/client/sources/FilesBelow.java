package build.thresher.client.sources;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Predicate;

/** Files of directories that others may write to meanwhile. Stateless. */
public final class FilesBelow {
  private FilesBelow() {}

  /**
   * The regular files below a directory, and links to some, in the order of their names. Links to
   * directories are not followed. What goes away meanwhile is left out: whoever shares a directory
   * writes under another name first.
   *
   * @param enter tells of each directory below whether it is looked into
   */
  public static List<Path> list(Path root, Predicate<Path> enter) throws IOException {
    List<Path> files = new ArrayList<>();
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
            return dir.equals(root) || enter.test(dir)
                ? FileVisitResult.CONTINUE
                : FileVisitResult.SKIP_SUBTREE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (Files.isRegularFile(file)) {
              files.add(file);
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failure)
              throws IOException {
            if (failure instanceof NoSuchFileException && !file.equals(root)) {
              return FileVisitResult.CONTINUE;
            }
            throw failure;
          }
        });
    Collections.sort(files);
    return files;
  }
}
