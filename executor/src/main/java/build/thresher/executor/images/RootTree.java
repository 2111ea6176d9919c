package build.thresher.executor.images;

import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The root of an image while its layers are written, one over the other. Whoever wrote the layers
 * is not trusted: links are followed as if the tree were the whole file system, so that nothing is
 * read or written outside; what stands in the way of an entry is removed, never opened; nothing is
 * setuid, and all is readable by everybody and writable by the owner alone. Used by one thread;
 * nobody else changes the tree.
 */
final class RootTree {
  private static final int MAX_LINKS = 40;
  private static final int MAX_DEPTH = 256;

  private final Path root;

  /** What this layer made: its whiteouts hide only what is below. */
  private final Set<Path> made = new HashSet<>();

  RootTree(Path root) {
    this.root = root;
  }

  /** From here on all that is there belongs to lower layers. */
  void nextLayer() {
    made.clear();
  }

  /** A path as it stands in a layer, without empty and dot components. */
  static List<String> names(String path) throws ImageException {
    List<String> names = new ArrayList<>();
    for (String name : path.split("/", -1)) {
      if (name.equals("..") || name.indexOf('\0') >= 0 || name.length() > 255) {
        throw new ImageException("a layer has an entry with the path \"" + path + "\"");
      }
      if (!name.isEmpty() && !name.equals(".")) {
        names.add(name);
      }
    }
    if (names.size() > MAX_DEPTH) {
      throw new ImageException("a layer is more than " + MAX_DEPTH + " directories deep");
    }
    return names;
  }

  void directory(List<String> names) throws IOException {
    if (names.isEmpty()) {
      return;
    }
    Path path = place(names);
    if (!Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
      clear(path);
      make(path);
    }
    made.add(path);
  }

  void file(List<String> names, boolean executable, InputStream content) throws IOException {
    Path path = place(names);
    clear(path);
    try (OutputStream out =
        Files.newOutputStream(
            path,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS)) {
      content.transferTo(out);
    }
    Set<PosixFilePermission> permissions =
        EnumSet.copyOf(PosixFilePermissions.fromString(executable ? "rwxr-xr-x" : "rw-r--r--"));
    Files.setPosixFilePermissions(path, permissions);
    made.add(path);
  }

  void symbolicLink(List<String> names, String target) throws IOException {
    if (target.isEmpty() || target.indexOf('\0') >= 0 || target.length() > 4095) {
      throw new ImageException("the link /" + String.join("/", names) + " has no proper target");
    }
    Path path = place(names);
    clear(path);
    Files.createSymbolicLink(path, Path.of(target));
    made.add(path);
  }

  void hardLink(List<String> names, List<String> existing) throws IOException {
    Path path = place(names);
    Path file = place(existing);
    if (path.equals(file)) {
      return;
    }
    if (Files.isSymbolicLink(file)) {
      symbolicLink(names, Files.readSymbolicLink(file).toString());
      return;
    }
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new ImageException(
          "the hard link /" + String.join("/", names) + " names no file of the image");
    }
    clear(path);
    Files.createLink(path, file);
    made.add(path);
  }

  /** Hides what lower layers have at a path. */
  void remove(List<String> names) throws IOException {
    Path path = place(names);
    if (!made.contains(path)) {
      clear(path);
    }
  }

  /** Hides all that lower layers have in a directory. */
  void removeBelow(List<String> names) throws IOException {
    Path directory = names.isEmpty() ? root : place(names);
    if (Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
      removeOthers(directory);
    }
  }

  private void removeOthers(Path directory) throws IOException {
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
      for (Path entry : entries) {
        if (!made.contains(entry)) {
          clear(entry);
        } else if (Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS)) {
          removeOthers(entry);
        }
      }
    }
  }

  private void make(Path path) throws IOException {
    Files.createDirectory(path);
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
    made.add(path);
  }

  private static void clear(Path path) throws IOException {
    if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
      FileTrees.delete(path);
    } else {
      Files.deleteIfExists(path);
    }
  }

  /** Where an entry lies: links of its parents are followed, missing parents are made. */
  private Path place(List<String> names) throws IOException {
    if (names.isEmpty()) {
      throw new ImageException("a layer has an entry for the root that is no directory");
    }
    Deque<String> open = new ArrayDeque<>(names);
    String last = open.removeLast();
    Path at = root;
    int links = 0;
    while (!open.isEmpty()) {
      String name = open.removeFirst();
      if (name.isEmpty() || name.equals(".")) {
        continue;
      }
      if (name.equals("..")) {
        Path parent = at.getParent();
        at = parent == null || at.equals(root) ? root : parent;
        continue;
      }
      Path next = at.resolve(name);
      if (Files.isSymbolicLink(next)) {
        if (++links > MAX_LINKS) {
          throw new ImageException("the links above /" + String.join("/", names) + " lead nowhere");
        }
        String target = Files.readSymbolicLink(next).toString();
        List.of(target.split("/", -1)).reversed().forEach(open::addFirst);
        at = target.startsWith("/") ? root : at;
      } else {
        if (!Files.isDirectory(next, LinkOption.NOFOLLOW_LINKS)) {
          clear(next);
          make(next);
        }
        at = next;
      }
    }
    return at.resolve(last);
  }
}
