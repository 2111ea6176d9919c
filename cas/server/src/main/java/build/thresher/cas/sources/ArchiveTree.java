package build.thresher.cas.sources;

import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.sources.FetchException.Reason;
import com.google.common.base.Splitter;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes a tree out of an archive that nobody vouches for. Its files are written under numbers into
 * a directory of its own, so no name of the archive is ever a path here.
 *
 * <p>Refuses, as a whole and with a reason: paths that are absolute or go up, two entries of one
 * name, entries below links, links that lead out of the tree, hard links to what is not there, and
 * more than the limits. Owners, times and all of the mode but its executable bit are left out.
 *
 * <p>Used once, by one thread.
 */
final class ArchiveTree implements ArchiveEntries.Visitor {
  static final int MAX_PATH = 4_096;
  private static final int MAX_LINKS = 40;

  private final Path files;
  private final String top;
  private final Limits limits;
  private final DiskReserve reserve;
  private final LocalTree.Builder tree = LocalTree.builder();

  /** For hard links: every file by its path, those that are not wanted included. */
  private final Map<String, Content> contents = new HashMap<>();

  /** Targets by path below the tree's root. */
  private final Map<String, String> links = new HashMap<>();

  private boolean found;
  private int entries;
  private long bytes;

  /**
   * A file as it was written here.
   *
   * @param number its name
   */
  private record Content(int number, boolean executable) {}

  /**
   * What an archive may hold, unpacked.
   *
   * @param bytes of all files
   * @param depth directories above a file
   */
  record Limits(long bytes, int entries, int depth) {}

  /**
   * @param files an empty directory; it has to be there until the tree is uploaded
   * @param directory which directory of the archive becomes the tree's root; "" for the archive
   */
  ArchiveTree(Path files, String directory, Limits limits, DiskReserve reserve) {
    this.files = files;
    this.top = directory;
    this.limits = limits;
    this.reserve = reserve;
  }

  /** Whether it is a relative path of plain names. */
  static boolean isPlain(String path) {
    return path.length() <= MAX_PATH
        && path.indexOf('\0') < 0
        && Splitter.on('/').splitToStream(path).noneMatch(ArchiveTree::isNoName);
  }

  private static boolean isNoName(String name) {
    return name.isEmpty() || name.equals(".") || name.equals("..");
  }

  LocalTree read(Path archive) throws IOException {
    ArchiveEntries.visit(archive, this);
    if (!found) {
      throw new FetchException(
          Reason.NOT_THERE,
          top.isEmpty()
              ? "it is no archive, or an empty one"
              : "the archive has no directory `" + top + "`");
    }
    for (String link : links.keySet()) {
      requireInside(link);
    }
    return tree.build();
  }

  @Override
  public void directory(String entry) throws IOException {
    String path = path(entry);
    if (top.isEmpty() || path.equals(top) || isBelow(path)) {
      found = true;
      tree.addDirectory(path.length() > top.length() ? below(path) : "");
    }
  }

  @Override
  public void file(String entry, boolean executable, InputStream in) throws IOException {
    String path = name(entry);
    Content content = new Content(entries, executable);
    try (OutputStream out =
        reserve.guard(
            Files.newOutputStream(
                inFile(content), StandardOpenOption.CREATE_NEW, LinkOption.NOFOLLOW_LINKS))) {
      byte[] buffer = new byte[64 << 10];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        bytes += n;
        requireWithin(bytes <= limits.bytes(), limits.bytes() + " bytes");
        write(out, buffer, n);
      }
    }
    add(path, content);
  }

  /** A disk that fails says nothing about the archive. */
  private static void write(OutputStream out, byte[] buffer, int length) {
    try {
      out.write(buffer, 0, length);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write a file of an archive", e);
    }
  }

  @Override
  public void hardLink(String entry, String existing) throws IOException {
    String path = name(entry);
    Content content = contents.get(path(existing));
    if (content == null) {
      throw refused(entry, "is a hard link to `" + existing + "`, which is no earlier file");
    }
    add(path, content);
  }

  private Path inFile(Content content) {
    return files.resolve(Integer.toString(content.number()));
  }

  private void add(String path, Content content) throws IOException {
    contents.put(path, content);
    if (isBelow(path)) {
      found = true;
      tree.addFile(below(path), inFile(content), content.executable());
    }
  }

  @Override
  public void symbolicLink(String entry, String target) throws IOException {
    String path = name(entry);
    if (target.length() > MAX_PATH) {
      throw refused(entry, "has a target of more than " + MAX_PATH + " characters");
    }
    if (isBelow(path)) {
      found = true;
      tree.addSymlink(below(path), target);
      links.put(below(path), target);
    }
  }

  private boolean isBelow(String path) {
    return top.isEmpty() || path.startsWith(top + "/");
  }

  private String below(String path) {
    return top.isEmpty() ? path : path.substring(top.length() + 1);
  }

  /** The path of an entry without empty and dot components; "" for the root. */
  private String path(String entry) throws FetchException {
    requireWithin(++entries <= limits.entries(), limits.entries() + " entries");
    List<String> names = new ArrayList<>();
    for (String name : Splitter.on('/').split(entry)) {
      if (!name.isEmpty() && !name.equals(".")) {
        names.add(name);
      }
    }
    if (entry.startsWith("/") || names.contains("..") || entry.length() > MAX_PATH) {
      throw refused(entry, "has a path that is absolute, goes up or is too long");
    }
    requireWithin(names.size() <= limits.depth(), limits.depth() + " directories in one another");
    return String.join("/", names);
  }

  private String name(String entry) throws FetchException {
    String path = path(entry);
    if (path.isEmpty()) {
      throw refused(entry, "stands for the root and is no directory");
    }
    return path;
  }

  /** Goes where the link goes, through other links, as if the tree were all there is. */
  private void requireInside(String link) throws FetchException {
    Deque<String> open = new ArrayDeque<>(Splitter.on('/').splitToList(link));
    List<String> at = new ArrayList<>();
    int followed = 0;
    while (!open.isEmpty()) {
      String name = open.removeFirst();
      if (name.isEmpty() || name.equals(".")) {
        continue;
      }
      if (name.equals("..")) {
        if (at.isEmpty()) {
          throw refused(link, "is a link that leads out of the directory");
        }
        at.removeLast();
        continue;
      }
      at.add(name);
      String target = links.get(String.join("/", at));
      if (target != null) {
        if (target.startsWith("/") || ++followed > MAX_LINKS) {
          throw refused(link, "is a link that leads out of the directory, or nowhere");
        }
        at.removeLast();
        Splitter.on('/').splitToList(target).reversed().forEach(open::addFirst);
      }
    }
  }

  private static void requireWithin(boolean holds, String limit) throws FetchException {
    if (!holds) {
      throw new FetchException(Reason.TOO_LARGE, "the archive has more than " + limit);
    }
  }

  private static FetchException refused(String path, String why) {
    return new FetchException(Reason.WRONG_CONTENT, "the entry `" + path + "` " + why);
  }
}
