package build.thresher.executor.inputs;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.compressors.gzip.GzipCompressorInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Extracts the archive of one prefix: entries carry the full path of the prefix; what is below it
 * goes into a directory, parents of it must be plain directories, all else is refused.
 *
 * <p>Whoever wrote the archive is not trusted. Files are created new, never opened; no symbolic
 * link exists while files are written, so nothing is written through one; hard links name earlier
 * regular files of the same archive; devices, pipes and further kinds are refused; no file is
 * setuid or setgid. Used once, by one thread.
 */
final class ArchiveExtractor {
  private static final long MAX_ENTRIES = 4_000_000;
  private static final long MAX_BYTES = 256L << 30;
  private static final int MAX_DEPTH = 256;

  private final String prefix;
  private final Path target;
  private final Set<String> files = new HashSet<>();
  private final Map<String, String> links = new LinkedHashMap<>();
  private final Set<String> directories = new HashSet<>();
  private long bytes;

  /**
   * @param prefix absolute path of the prefix, as in the archive
   * @param target existing empty directory that becomes the prefix
   */
  ArchiveExtractor(String prefix, Path target) {
    this.prefix = Names.absolutePath(prefix).substring(1);
    this.target = target;
  }

  /** Extracts a gzip'd tar. */
  void extract(InputStream gzip) throws IOException {
    boolean any = false;
    try (TarArchiveInputStream tar =
        new TarArchiveInputStream(
            GzipCompressorInputStream.builder()
                .setInputStream(gzip)
                .setDecompressConcatenated(true)
                .get())) {
      long count = 0;
      for (TarArchiveEntry e = tar.getNextEntry(); e != null; e = tar.getNextEntry()) {
        if (++count > MAX_ENTRIES) {
          throw new ArchiveException("it has more than " + MAX_ENTRIES + " entries");
        }
        any |= entry(e, tar);
      }
    } catch (IllegalArgumentException e) {
      throw new ArchiveException("it is malformed: " + e.getMessage());
    }
    if (!any) {
      throw new ArchiveException("it holds nothing below /" + prefix);
    }
    for (Map.Entry<String, String> link : links.entrySet()) {
      Path path = target.resolve(link.getKey());
      makeParents(link.getKey());
      try {
        Files.createSymbolicLink(path, Path.of(link.getValue()));
      } catch (FileAlreadyExistsException e) {
        throw twice(link.getKey());
      }
    }
  }

  private boolean entry(TarArchiveEntry e, TarArchiveInputStream tar) throws IOException {
    String name = normal(e.getName());
    String below = below(name);
    if (below == null) {
      if (!e.isDirectory() || !(prefix + "/").startsWith(name + "/")) {
        throw new ArchiveException("entry \"" + name + "\" is outside of /" + prefix);
      }
      return false;
    }
    if (e.isDirectory()) {
      makeDirectory(below);
    } else if (below.isEmpty()) {
      throw new ArchiveException("the prefix itself is not a directory");
    } else if (e.isSymbolicLink()) {
      symbolicLink(below, e.getLinkName());
    } else if (e.isLink()) {
      hardLink(below, e.getLinkName());
    } else if (isRegularFile(e)) {
      file(below, e, tar);
    } else {
      throw new ArchiveException("entry \"" + name + "\" is no file, directory or link");
    }
    return true;
  }

  /** By its type alone: the library calls anything a file that is nothing else it knows. */
  private static boolean isRegularFile(TarArchiveEntry e) {
    byte type = e.getLinkFlag();
    return (type == TarConstants.LF_NORMAL || type == TarConstants.LF_OLDNORM) && !e.isSparse();
  }

  /** The path below the prefix, "" for the prefix itself, null for what is not below. */
  private @Nullable String below(String name) {
    if (name.equals(prefix)) {
      return "";
    }
    return name.startsWith(prefix + "/") ? name.substring(prefix.length() + 1) : null;
  }

  private static String normal(String name) throws ArchiveException {
    String path = name.endsWith("/") ? name.substring(0, name.length() - 1) : name;
    try {
      Names.relativePath(path);
    } catch (IllegalArgumentException e) {
      throw new ArchiveException("an entry has " + e.getMessage());
    }
    if (path.chars().filter(c -> c == '/').count() > MAX_DEPTH) {
      throw new ArchiveException("an entry is more than " + MAX_DEPTH + " directories deep");
    }
    return path;
  }

  private void makeDirectory(String below) throws IOException {
    if (below.isEmpty() || directories.contains(below)) {
      return;
    }
    makeParents(below);
    if (links.containsKey(below)) {
      throw twice(below);
    }
    try {
      Files.createDirectory(target.resolve(below));
      Files.setPosixFilePermissions(
          target.resolve(below), PosixFilePermissions.fromString("rwxr-xr-x"));
    } catch (FileAlreadyExistsException e) {
      throw twice(below);
    }
    directories.add(below);
  }

  private void makeParents(String below) throws IOException {
    int slash = below.lastIndexOf('/');
    if (slash > 0) {
      makeDirectory(below.substring(0, slash));
    }
  }

  private void symbolicLink(String below, String to) throws IOException {
    if (to.isEmpty() || to.indexOf('\0') >= 0 || to.length() > 4096) {
      throw new ArchiveException("the link \"" + below + "\" has no proper target");
    }
    if (files.contains(below) || directories.contains(below)) {
      throw twice(below);
    }
    if (links.put(below, to) != null) {
      throw twice(below);
    }
  }

  private void hardLink(String below, String to) throws IOException {
    String existing = below(normal(to));
    if (existing == null || !files.contains(existing)) {
      throw new ArchiveException(
          "the hard link \"" + below + "\" names no earlier file of the archive");
    }
    makeParents(below);
    if (links.containsKey(below)) {
      throw twice(below);
    }
    try {
      Files.createLink(target.resolve(below), target.resolve(existing));
    } catch (FileAlreadyExistsException e) {
      throw twice(below);
    }
    files.add(below);
  }

  private void file(String below, TarArchiveEntry e, TarArchiveInputStream tar) throws IOException {
    bytes += e.getSize();
    if (bytes > MAX_BYTES) {
      throw new ArchiveException("its files are larger than " + MAX_BYTES + " bytes");
    }
    makeParents(below);
    if (links.containsKey(below)) {
      throw twice(below);
    }
    Path path = target.resolve(below);
    try (OutputStream out =
        Files.newOutputStream(
            path,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS)) {
      tar.transferTo(out);
    } catch (FileAlreadyExistsException exists) {
      throw twice(below);
    }
    Files.setPosixFilePermissions(path, permissions(e.getMode()));
    files.add(below);
  }

  private static ArchiveException twice(String below) {
    return new ArchiveException("\"" + below + "\" stands in it twice");
  }

  /** As recorded, but readable by every build and writable by the owner alone. */
  private static Set<PosixFilePermission> permissions(int mode) {
    Set<PosixFilePermission> set =
        EnumSet.of(
            PosixFilePermission.OWNER_READ,
            PosixFilePermission.GROUP_READ,
            PosixFilePermission.OTHERS_READ);
    if ((mode & 0200) != 0) {
      set.add(PosixFilePermission.OWNER_WRITE);
    }
    if ((mode & 0111) != 0) {
      set.add(PosixFilePermission.OWNER_EXECUTE);
      set.add(PosixFilePermission.GROUP_EXECUTE);
      set.add(PosixFilePermission.OTHERS_EXECUTE);
    }
    return set;
  }
}
