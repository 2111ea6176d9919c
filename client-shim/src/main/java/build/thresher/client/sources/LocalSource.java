package build.thresher.client.sources;

import build.thresher.cas.api.Digest;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A file that is to be a source of the farm.
 *
 * @param cachePath where a source mirror has it, below {@code _source-cache}; "" where only its
 *     content says so
 * @param names readable paths that lead to it
 */
public record LocalSource(Path file, String cachePath, List<String> names) {
  /** The extensions that Spack keeps in a mirror, longest first; what has another has none. */
  private static final Pattern EXTENSION =
      Pattern.compile(
          ".*?\\.((?:tar|TAR)\\.(?:gz|bz2|xz|Z)|tar|TAR|gz|bz2|xz|Z|zip|tgz|tbz2|tbz|txz|whl)");

  public LocalSource {
    names = List.copyOf(names);
  }

  /** Where it belongs, given what it holds. */
  public String mirrorPath(Digest digest) {
    if (!cachePath.isEmpty()) {
      return cachePath;
    }
    Matcher m = EXTENSION.matcher(String.valueOf(file.getFileName()));
    String extension = m.matches() ? "." + m.group(1) : "";
    return archivePath(digest.hex()) + extension;
  }

  static String archivePath(String checksum) {
    return "_source-cache/archive/" + checksum.substring(0, 2) + "/" + checksum;
  }

  /** What people see of it. */
  public String title() {
    return names.isEmpty() ? String.valueOf(file.getFileName()) : names.getFirst();
  }
}
