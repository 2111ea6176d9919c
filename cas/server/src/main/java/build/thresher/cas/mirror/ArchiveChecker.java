package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashSet;
import java.util.Set;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * Reads one archive of an install prefix, entry by entry, before its manifest is signed. Nothing is
 * unpacked and nothing is kept but names.
 *
 * <p>Accepted are the parent directories of the prefix, and below the prefix directories, regular
 * files, symbolic links, and hard links to an earlier regular file of the same prefix. Every
 * entry's parent must be a directory of the archive, so that nothing can be written through a
 * symbolic link. No name twice, no "..", no set-id or sticky bit, no owner but root, and one
 * reading only ({@link GzipMember}, {@link TarReader}).
 *
 * <p>An absolute symbolic link may point anywhere: at the package's own prefix, at a dependency's,
 * and at the host, because externals, {@code /dev/null} or {@code /etc/localtime} are targets of
 * honest packages, just as any script of a package may name them. This is safe because the target
 * is text that nobody follows for writing: no entry lies below a link or takes its name, hard links
 * lead to regular files only, and what Spack rewrites after unpacking ({@link RelocationFacts}) are
 * regular files of this archive. Whoever reads through such a link reads with his own rights: a
 * build, what its sandbox shows; a user, what he may read anyway. A relative one that climbs above
 * the install root is refused: no such link survives relocation, so no honest package has one; and
 * so is one whose text begins with the prefix, which Spack would shorten.
 *
 * <p>Not thread-safe: one instance, one archive.
 */
final class ArchiveChecker {
  private static final int MAX_PATH_BYTES = 4096;
  private static final int SPECIAL_BITS = 07000;
  private static final int MAX_SPEC_BYTES = 64 << 20;
  private static final String SPEC = "/.spack/spec.json";
  private static final String FACTS = "/.spack/binary_distribution";

  private final BuiltSpec built;
  private final MirrorOptions options;
  private final String prefix;
  private final Set<String> parents = new HashSet<>();

  /** Names below the prefix, beginning with "/"; the prefix itself is "". */
  private final Set<String> directories = new HashSet<>();

  private final Set<String> regularFiles = new HashSet<>();
  private final Set<String> links = new HashSet<>();
  private byte @Nullable [] specJson;
  private byte @Nullable [] facts;

  ArchiveChecker(BuiltSpec built, MirrorOptions options) throws ArchiveRefusedException {
    this.built = built;
    this.options = options;
    requirePlain("install root", built.installRoot());
    requirePlain("prefix", built.prefix());
    if (!built.prefix().startsWith(built.installRoot() + "/")) {
      throw new ArchiveRefusedException(
          "the prefix " + built.prefix() + " is not below the install root " + built.installRoot());
    }
    this.prefix = TarReader.bytesOf(built.prefix().substring(1));
    for (int i = prefix.indexOf('/'); i > 0; i = prefix.indexOf('/', i + 1)) {
      parents.add(prefix.substring(0, i));
    }
  }

  /** Checks to the last byte and returns the content of {@code .spack/spec.json}. */
  byte[] check(InputStream archive) throws ArchiveRefusedException, IOException {
    long limit = options.maxUnpackedBytes(built.archive().sizeBytes());
    try (InputStream unpacked =
        new BufferedInputStream(new CappedStream(new GzipMember(archive), limit), 1 << 16)) {
      TarReader tar = new TarReader(unpacked);
      int entries = 0;
      for (TarReader.Entry e = tar.next(); e != null; e = tar.next()) {
        if (++entries > options.maxEntries()) {
          throw refused("has more than " + options.maxEntries() + " entries");
        }
        entry(e, tar);
      }
    } catch (CappedStream.TooLongException e) {
      throw refused("unpacks to more than " + limit + " bytes from " + built.archive().sizeBytes());
    } catch (TarReader.TarException e) {
      throw refused(String.valueOf(e.getMessage()));
    } catch (ZipException | EOFException e) {
      throw refused("is not a whole gzip file of a tar file: " + e.getMessage());
    }
    if (specJson == null) {
      throw refused("holds no " + built.prefix() + SPEC + "; is the pushed tree empty?");
    }
    checkFacts();
    return specJson;
  }

  private void checkFacts() throws ArchiveRefusedException {
    if (facts == null) {
      throw refused(
          "holds no " + built.prefix() + FACTS + ", without which Spack cannot unpack it");
    }
    try {
      RelocationFacts relocation = RelocationFacts.parse(facts);
      relocation.requireBuiltAt(built.installRoot(), built.prefix());
      relocation.requireEach("relocate_textfiles", "regular file", n -> holds(regularFiles, n));
      relocation.requireEach("relocate_binaries", "regular file", n -> holds(regularFiles, n));
      relocation.requireEach("relocate_links", "symbolic link", n -> holds(links, n));
    } catch (RelocationFacts.BrokenException e) {
      throw refused(String.valueOf(e.getMessage()));
    }
  }

  private static boolean holds(Set<String> names, String name) {
    return names.contains("/" + TarReader.bytesOf(name));
  }

  private void entry(TarReader.Entry e, TarReader tar) throws ArchiveRefusedException, IOException {
    boolean isDirectory = e.type() == TarReader.DIRECTORY;
    String name =
        isDirectory && e.name().endsWith("/")
            ? e.name().substring(0, e.name().length() - 1)
            : e.name();
    if (!isPlain(name)) {
      throw refused("has an entry with the name `" + TarReader.readable(name) + "`");
    }
    if ((e.mode() & SPECIAL_BITS) != 0) {
      throw refused("has the entry `%s` with a set-id or sticky bit (mode %o)", name, e.mode());
    }
    if (e.owned()) {
      throw refused("has the entry `%s`, which belongs to another user than root", name);
    }
    if (parents.contains(name) && isDirectory) {
      requireNew(directories, name);
      return;
    }
    if (!name.equals(prefix) && !name.startsWith(prefix + "/")) {
      throw refused("has the entry `%s` outside its prefix %s", name, built.prefix());
    }
    below(name.substring(prefix.length()), e, tar);
  }

  private void below(String path, TarReader.Entry e, TarReader tar)
      throws ArchiveRefusedException, IOException {
    if (path.isEmpty() && e.type() != TarReader.DIRECTORY) {
      throw refused("has a prefix that is no directory");
    }
    String parent = path.isEmpty() ? "" : path.substring(0, path.lastIndexOf('/'));
    if (links.contains(parent)) {
      throw refused("has the entry `%s` below a symbolic link", e.name());
    }
    if (!path.isEmpty() && !directories.contains(parent)) {
      throw refused("has the entry `%s` before the directory that it is in", e.name());
    }
    switch (e.type()) {
      case TarReader.DIRECTORY -> requireNew(directories, path);
      case TarReader.FILE -> regularFile(path, e, tar);
      case TarReader.SYMBOLIC_LINK -> symbolicLink(path, parent, e);
      case TarReader.HARD_LINK -> hardLink(path, e);
      default ->
          throw refused(
              "has the entry `%s` of type `%s`: only files, directories and links are accepted",
              e.name(), e.type());
    }
  }

  private void regularFile(String path, TarReader.Entry e, TarReader tar)
      throws ArchiveRefusedException, IOException {
    requireNew(regularFiles, path);
    if (path.equals(SPEC)) {
      specJson = document(e, tar, MAX_SPEC_BYTES);
    } else if (path.equals(FACTS)) {
      facts = document(e, tar, RelocationFacts.MAX_BYTES);
    }
  }

  private byte[] document(TarReader.Entry e, TarReader tar, int maxBytes)
      throws ArchiveRefusedException, IOException {
    if (e.sizeBytes() > maxBytes) {
      throw refused("has the document `%s` of %d bytes", e.name(), e.sizeBytes());
    }
    return tar.content();
  }

  private void symbolicLink(String path, String parent, TarReader.Entry e)
      throws ArchiveRefusedException {
    String target = e.linkName();
    if (target.isEmpty() || target.indexOf('\0') >= 0 || target.length() > MAX_PATH_BYTES) {
      throw refused("has the symbolic link `%s` without a usable target", e.name());
    }
    if (!target.startsWith("/")
        && (target.startsWith(prefix) || climbsOut(prefix + parent, target))) {
      throw refused(
          "has the symbolic link `%s` to `%s`, which leads out of the install root %s",
          e.name(), TarReader.readable(target), built.installRoot());
    }
    requireNew(links, path);
  }

  private void hardLink(String path, TarReader.Entry e) throws ArchiveRefusedException {
    String target = e.linkName();
    if (!target.startsWith(prefix + "/")
        || !regularFiles.contains(target.substring(prefix.length()))) {
      throw refused(
          "has the hard link `%s` to `%s`, which is no earlier file of the prefix",
          e.name(), TarReader.readable(target));
    }
    requireNew(regularFiles, path);
  }

  /** True when the way to the target leaves the install root, be it only for a moment. */
  private boolean climbsOut(String parent, String target) {
    int rootDepth = depth(built.installRoot().substring(1));
    int depth = depth(parent);
    for (String part : target.split("/", -1)) {
      if (part.equals("..")) {
        depth--;
      } else if (!part.isEmpty() && !part.equals(".")) {
        depth++;
      }
      if (depth < rootDepth) {
        return true;
      }
    }
    return false;
  }

  private static int depth(String path) {
    return (int) path.chars().filter(c -> c == '/').count() + 1;
  }

  /** No empty, "." or ".." component, not absolute, no NUL, not too long. */
  private static boolean isPlain(String path) {
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

  private static void requirePlain(String what, String path) throws ArchiveRefusedException {
    if (!path.startsWith("/") || !isPlain(path.substring(1))) {
      throw new ArchiveRefusedException(
          "the " + what + " `" + printable(path) + "` is no plain absolute path");
    }
  }

  private void requireNew(Set<String> kind, String name) throws ArchiveRefusedException {
    if (directories.contains(name) || regularFiles.contains(name) || links.contains(name)) {
      throw refused("has the entry `%s` twice", name.startsWith("/") ? prefix + name : name);
    }
    kind.add(name);
  }

  /** Names come from strangers and end in logs: no control characters, no endless text. */
  private static String printable(String text) {
    String cut = text.length() > 2000 ? text.substring(0, 2000) + "…" : text;
    return cut.replaceAll("\\p{Cntrl}", "?");
  }

  private ArchiveRefusedException refused(String rule, String name, Object... more) {
    Object[] all = new Object[more.length + 1];
    all[0] = TarReader.readable(name);
    System.arraycopy(more, 0, all, 1, more.length);
    return refused(rule.formatted(all));
  }

  private ArchiveRefusedException refused(String what) {
    return new ArchiveRefusedException(
        "the archive of " + built.node().display() + " " + printable(what));
  }
}
