package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import com.google.common.io.ByteStreams;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.jspecify.annotations.Nullable;

/**
 * Reads one archive of an install prefix, entry by entry, before its manifest is signed. Nothing is
 * unpacked and nothing is kept but names.
 *
 * <p>Accepted are the parent directories of the prefix, and below the prefix directories, regular
 * files, symbolic links, and hard links to an earlier regular file of the same prefix. Every
 * entry's parent must be a directory of the archive, so that nothing can be written through a
 * symbolic link. No name twice, no "..", no set-id or sticky bit, no sparse file, nothing after the
 * end.
 *
 * <p>The target of a symbolic link is text: neither the farm nor Spack follows it while unpacking.
 * An absolute one may point anywhere, because externals, {@code /dev/null} or {@code /etc} are
 * targets of honest packages, just as any script of a package may name them. A relative one that
 * climbs above the install root is refused: no such link survives relocation, so no honest package
 * has one.
 *
 * <p>Not thread-safe: one instance, one archive.
 */
final class ArchiveChecker {
  private static final int MAX_PATH_BYTES = 4096;
  private static final int SPECIAL_BITS = 07000;
  private static final int MAX_SPEC_BYTES = 64 << 20;

  private final BuiltSpec built;
  private final MirrorOptions options;
  private final String prefix;
  private final Set<String> parents = new HashSet<>();
  private final Set<String> directories = new HashSet<>();
  private final Set<String> regularFiles = new HashSet<>();
  private final Set<String> links = new HashSet<>();
  private byte @Nullable [] specJson;

  ArchiveChecker(BuiltSpec built, MirrorOptions options) throws ArchiveRefusedException {
    this.built = built;
    this.options = options;
    requirePlain("install root", built.installRoot());
    requirePlain("prefix", built.prefix());
    if (!built.prefix().startsWith(built.installRoot() + "/")) {
      throw new ArchiveRefusedException(
          "the prefix " + built.prefix() + " is not below the install root " + built.installRoot());
    }
    this.prefix = built.prefix().substring(1);
    for (int i = prefix.indexOf('/'); i > 0; i = prefix.indexOf('/', i + 1)) {
      parents.add(prefix.substring(0, i));
    }
  }

  /** Checks to the last byte and returns the content of {@code .spack/spec.json}. */
  byte[] check(InputStream archive) throws ArchiveRefusedException, IOException {
    long limit = options.maxUnpackedBytes(built.archive().sizeBytes());
    try (InputStream unpacked = new CappedStream(new GZIPInputStream(archive, 1 << 16), limit);
        TarArchiveInputStream tar =
            new TarArchiveInputStream(unpacked, StandardCharsets.UTF_8.name())) {
      int entries = 0;
      for (TarArchiveEntry e = tar.getNextEntry(); e != null; e = tar.getNextEntry()) {
        if (++entries > options.maxEntries()) {
          throw refused("has more than " + options.maxEntries() + " entries");
        }
        entry(e, tar);
      }
      requireZeros(unpacked);
    } catch (CappedStream.TooLongException e) {
      throw refused("unpacks to more than " + limit + " bytes from " + built.archive().sizeBytes());
    } catch (ZipException | EOFException e) {
      throw refused("is not a whole gzip file: " + e.getMessage());
    } catch (IllegalArgumentException e) {
      throw refused("has a header that is no tar header: " + e.getMessage());
    }
    if (specJson == null) {
      throw refused("holds no " + built.prefix() + "/.spack/spec.json; is the pushed tree empty?");
    }
    return specJson;
  }

  private void entry(TarArchiveEntry e, TarArchiveInputStream tar)
      throws ArchiveRefusedException, IOException {
    String name = name(e);
    if (!name.equals(prefix) && !name.startsWith(prefix + "/")) {
      if (!e.isDirectory() || !parents.contains(name)) {
        throw refused("has the entry `" + name + "` outside its prefix " + built.prefix());
      }
      requireNew(directories, name);
      return;
    }
    if ((e.getMode() & SPECIAL_BITS) != 0) {
      throw refused(
          "has the entry `%s` with a set-id or sticky bit (mode %o)".formatted(name, e.getMode()));
    }
    String parent = name.substring(0, name.lastIndexOf('/'));
    if (links.contains(parent)) {
      throw refused("has the entry `" + name + "` below a symbolic link");
    }
    if (!name.equals(prefix) && !directories.contains(parent)) {
      throw refused("has the entry `" + name + "` before the directory that it is in");
    }
    switch (e.getLinkFlag()) {
      case TarConstants.LF_DIR -> requireNew(directories, name);
      case TarConstants.LF_NORMAL, TarConstants.LF_OLDNORM -> regularFile(name, e, tar);
      case TarConstants.LF_SYMLINK -> symbolicLink(name, parent, e.getLinkName());
      case TarConstants.LF_LINK -> hardLink(name, e.getLinkName());
      default ->
          throw refused(
              "has the entry `%s` of type `%s`: only files, directories and links are accepted"
                  .formatted(name, Character.toString((char) e.getLinkFlag())));
    }
    if (name.equals(prefix) && !directories.contains(prefix)) {
      throw refused("has a prefix that is no directory");
    }
  }

  private void regularFile(String name, TarArchiveEntry e, TarArchiveInputStream tar)
      throws ArchiveRefusedException, IOException {
    if (e.isSparse() || e.isPaxGNUSparse() || e.isStarSparse()) {
      throw refused("has the sparse file `" + name + "`");
    }
    requireNew(regularFiles, name);
    if (name.equals(prefix + "/.spack/spec.json")) {
      if (e.getSize() > MAX_SPEC_BYTES) {
        throw refused("has a .spack/spec.json of " + e.getSize() + " bytes");
      }
      specJson = ByteStreams.toByteArray(tar);
    }
  }

  private void symbolicLink(String name, String parent, String target)
      throws ArchiveRefusedException {
    if (target.isEmpty() || target.indexOf('\0') >= 0 || target.length() > MAX_PATH_BYTES) {
      throw refused("has the symbolic link `" + name + "` without a usable target");
    }
    if (!target.startsWith("/") && climbsOut(parent, target)) {
      throw refused(
          "has the symbolic link `%s` to `%s`, which is above the install root %s"
              .formatted(name, target, built.installRoot()));
    }
    requireNew(links, name);
  }

  private void hardLink(String name, String target) throws ArchiveRefusedException {
    if (!regularFiles.contains(target)) {
      throw refused(
          "has the hard link `%s` to `%s`, which is no earlier file of the prefix"
              .formatted(name, target));
    }
    requireNew(regularFiles, name);
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

  private String name(TarArchiveEntry e) throws ArchiveRefusedException {
    String name = e.getName();
    if (e.isDirectory() && name.endsWith("/")) {
      name = name.substring(0, name.length() - 1);
    }
    if (!isPlain(name)) {
      throw refused("has an entry with the name `" + printable(name) + "`");
    }
    return name;
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
      throw refused("has the entry `" + name + "` twice");
    }
    kind.add(name);
  }

  /** A second reader might go on where the first one stopped. */
  private void requireZeros(InputStream rest) throws ArchiveRefusedException, IOException {
    byte[] block = new byte[1 << 16];
    for (int n = rest.read(block); n >= 0; n = rest.read(block)) {
      for (int i = 0; i < n; i++) {
        if (block[i] != 0) {
          throw refused("goes on after the end of the tar file");
        }
      }
    }
  }

  /** Names come from strangers and end in logs: no control characters, no endless text. */
  private static String printable(String text) {
    String cut = text.length() > 2000 ? text.substring(0, 2000) + "…" : text;
    return cut.replaceAll("\\p{Cntrl}", "?");
  }

  private ArchiveRefusedException refused(String what) {
    return new ArchiveRefusedException(
        "the archive of " + built.node().display() + " " + printable(what));
  }
}
