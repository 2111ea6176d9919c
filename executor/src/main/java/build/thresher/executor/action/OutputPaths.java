package build.thresher.executor.action;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Optional;

/**
 * Paths inside a root that an action or its inputs may have filled with symbolic links: every
 * component is looked at, and none is followed. Nobody else may change the root meanwhile.
 */
final class OutputPaths {
  private OutputPaths() {}

  /** Something below the root. */
  record Found(Path path, BasicFileAttributes attributes) {}

  /** What is at a relative path; empty when nothing is, or a parent is no directory. */
  static Optional<Found> find(Path root, String relative) throws IOException {
    Path at = root;
    BasicFileAttributes attributes = attributes(at);
    if (relative.isEmpty()) {
      return Optional.of(new Found(at, attributes));
    }
    for (String name : relative.split("/", -1)) {
      if (!attributes.isDirectory()) {
        return Optional.empty();
      }
      at = at.resolve(name);
      try {
        attributes = attributes(at);
      } catch (NoSuchFileException e) {
        return Optional.empty();
      }
    }
    return Optional.of(new Found(at, attributes));
  }

  /**
   * Makes a directory with its parents.
   *
   * @throws RefusedActionException when something else than a directory is in the way
   */
  static void createDirectories(Path root, String relative, Owner owner) throws IOException {
    if (relative.isEmpty()) {
      return;
    }
    Path at = root;
    for (String name : relative.split("/", -1)) {
      at = at.resolve(name);
      try {
        if (!attributes(at).isDirectory()) {
          throw new RefusedActionException(
              "the directory "
                  + relative
                  + " cannot be made: the inputs have something else at "
                  + root.relativize(at));
        }
      } catch (NoSuchFileException e) {
        owner.directory(at);
      }
    }
  }

  private static BasicFileAttributes attributes(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
  }
}
