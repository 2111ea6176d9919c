package build.thresher.cas.mirror;

import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The names in an archive of one install prefix, and what they may be.
 *
 * <p>Accepted are the parent directories of the prefix, and below the prefix directories, regular
 * files, symbolic links, and hard links to an earlier regular file of the same prefix. Every
 * entry's parent must be a directory of the archive, so that nothing can be written through a
 * symbolic link. No name twice.
 *
 * <p>An absolute symbolic link may point anywhere: at the package's own prefix, at a dependency's,
 * and at the host, because externals, {@code /dev/null} or {@code /etc/localtime} are targets of
 * honest packages, just as any script of a package may name them. This is safe because the target
 * is text that nobody follows for writing: no entry lies below a link or takes its name, hard links
 * lead to regular files only, and what Spack rewrites after unpacking ({@link RelocationFacts}) are
 * regular files of this archive. Whoever reads through such a link reads with his own rights: a
 * build, what its sandbox shows; a user, what he may read anyway. A relative one that climbs above
 * the install root is refused: no such link survives relocation, so no honest package has one; and
 * so is one whose text begins with the prefix, which Spack would shorten. Where the root is may be
 * known last, so the link that climbs highest is kept until {@link #requireLinksWithin}.
 *
 * <p>Names are as {@link TarReader} has them. Used by one thread.
 */
final class PrefixTree {
  private static final int MAX_PATH_BYTES = 4096;

  /** Without a slash in front. */
  private final String prefix;

  private final Set<String> parents = new HashSet<>();

  /** Names below the prefix, beginning with "/"; the prefix itself is "". */
  private final Set<String> directories = new HashSet<>();

  private final Set<String> regularFiles = new HashSet<>();
  private final Set<String> links = new HashSet<>();

  private int highest = Integer.MAX_VALUE;
  private TarReader.@Nullable Entry highestLink;

  /**
   * @param prefix an absolute path, for people
   */
  PrefixTree(String prefix) {
    this.prefix = TarReader.bytesOf(prefix.substring(1));
    for (int i = this.prefix.indexOf('/'); i > 0; i = this.prefix.indexOf('/', i + 1)) {
      parents.add(this.prefix.substring(0, i));
    }
  }

  /** No empty, "." or ".." component, not absolute, no NUL, not too long. */
  static boolean isPlain(String path) {
    if (path.isEmpty() || path.length() > MAX_PATH_BYTES || path.indexOf('\0') >= 0) {
      return false;
    }
    for (String part : path.split("/", -1)) {
      if (part.isEmpty() || part.equals(".") || part.equals("..")) {
        return false;
      }
    }
    return true;
  }

  /**
   * Takes the next entry, whose name is plain.
   *
   * @return its name below the prefix, beginning with "/"; "" of the prefix and its parents
   */
  String add(TarReader.Entry e) throws BrokenRuleException {
    String name = e.name();
    if (parents.contains(name) && e.type() == TarReader.DIRECTORY) {
      requireNew(directories, name, e);
      return "";
    }
    if (!name.equals(prefix) && !name.startsWith(prefix + "/")) {
      throw BrokenRuleException.of(
          "has the entry `%s` outside its prefix /%s", e, TarReader.readable(prefix));
    }
    String path = name.substring(prefix.length());
    below(path, e);
    return path;
  }

  private void below(String path, TarReader.Entry e) throws BrokenRuleException {
    if (path.isEmpty() && e.type() != TarReader.DIRECTORY) {
      throw new BrokenRuleException("has a prefix that is no directory");
    }
    String parent = path.isEmpty() ? "" : path.substring(0, path.lastIndexOf('/'));
    if (links.contains(parent)) {
      throw BrokenRuleException.of("has the entry `%s` below a symbolic link", e);
    }
    if (!path.isEmpty() && !directories.contains(parent)) {
      throw BrokenRuleException.of("has the entry `%s` before the directory that it is in", e);
    }
    switch (e.type()) {
      case TarReader.DIRECTORY -> requireNew(directories, path, e);
      case TarReader.FILE -> requireNew(regularFiles, path, e);
      case TarReader.SYMBOLIC_LINK -> symbolicLink(path, parent, e);
      case TarReader.HARD_LINK -> hardLink(path, e);
      default ->
          throw BrokenRuleException.of(
              "has the entry `%s` of type `%s`: only files, directories and links are accepted",
              e, e.type());
    }
  }

  private void symbolicLink(String path, String parent, TarReader.Entry e)
      throws BrokenRuleException {
    String target = e.linkName();
    if (target.isEmpty() || target.indexOf('\0') >= 0 || target.length() > MAX_PATH_BYTES) {
      throw BrokenRuleException.of("has the symbolic link `%s` without a usable target", e);
    }
    if (!target.startsWith("/")) {
      int height = target.startsWith(prefix) ? 0 : heightOnTheWay(prefix + parent, target);
      if (height < highest) {
        highest = height;
        highestLink = e;
      }
    }
    requireNew(links, path, e);
  }

  /** The fewest components of any path on the way to the target. */
  private static int heightOnTheWay(String parent, String target) {
    int depth = depth(parent);
    int least = depth;
    for (String part : target.split("/", -1)) {
      if (part.equals("..")) {
        depth--;
      } else if (!part.isEmpty() && !part.equals(".")) {
        depth++;
      }
      least = Math.min(least, depth);
    }
    return least;
  }

  private static int depth(String path) {
    return (int) path.chars().filter(c -> c == '/').count() + 1;
  }

  private void hardLink(String path, TarReader.Entry e) throws BrokenRuleException {
    String target = e.linkName();
    if (!target.startsWith(prefix + "/")
        || !regularFiles.contains(target.substring(prefix.length()))) {
      throw BrokenRuleException.of(
          "has the hard link `%s` to `%s`, which is no earlier file of the prefix",
          e, TarReader.readable(target));
    }
    requireNew(regularFiles, path, e);
  }

  private void requireNew(Set<String> kind, String name, TarReader.Entry e)
      throws BrokenRuleException {
    if (directories.contains(name) || regularFiles.contains(name) || links.contains(name)) {
      throw BrokenRuleException.of("has the entry `%s` twice", e);
    }
    kind.add(name);
  }

  /**
   * No relative link leaves the install root on its way, be it only for a moment.
   *
   * @param installRoot a plain absolute path, for people
   */
  void requireLinksWithin(String installRoot) throws BrokenRuleException {
    if (highestLink != null && highest < depth(installRoot.substring(1))) {
      throw BrokenRuleException.of(
          "has the symbolic link `%s` to `%s`, which leads out of the install root %s",
          highestLink, TarReader.readable(highestLink.linkName()), installRoot);
    }
  }

  /**
   * @param name below the prefix, for people
   */
  boolean holdsFile(String name) {
    return regularFiles.contains("/" + TarReader.bytesOf(name));
  }

  boolean holdsLink(String name) {
    return links.contains("/" + TarReader.bytesOf(name));
  }
}
