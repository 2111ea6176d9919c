package build.thresher.cas.sources;

import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A path below a Spack source mirror: plain and relative, no "..", nothing of a binary mirror,
 * which shares its URL.
 */
record SourcePath(String text) {
  private static final String CACHE = "_source-cache/";
  private static final Pattern PLAIN =
      Pattern.compile("[A-Za-z0-9_+~@=,.-][A-Za-z0-9_+~@=,./-]{0,500}");
  private static final Pattern ARCHIVE =
      Pattern.compile(
          "_source-cache/archive/([0-9a-f]{2})/(\\1[0-9a-f]+)(?:\\.[A-Za-z0-9][A-Za-z0-9.]{0,19})?");

  /** How Spack names what it has no checksum of: by commit, revision or date. */
  private static final Pattern VERSION_CONTROL =
      Pattern.compile("_source-cache/(?:git|svn|hg|cvs|go)/.+");

  /**
   * @throws IllegalArgumentException for a path that no mirror has
   */
  SourcePath {
    List<String> names = List.of(text.split("/", -1));
    boolean plain =
        PLAIN.matcher(text).matches()
            && !names.contains("..")
            && !names.contains(".")
            && !names.contains("");
    if (!plain) {
      throw new IllegalArgumentException("no plain relative path of a source: " + text);
    }
    if (List.of("v3", "blobs", "build_cache").contains(names.getFirst())) {
      throw new IllegalArgumentException("a path of binary mirrors, not of sources: " + text);
    }
  }

  /** The file's checksum, of whatever algorithm; empty where the path does not say it. */
  Optional<String> checksum() {
    Matcher m = ARCHIVE.matcher(text);
    return m.matches() ? Optional.of(m.group(2)) : Optional.empty();
  }

  boolean isVersionControl() {
    return VERSION_CONTROL.matcher(text).matches();
  }

  /** Whether it is where Spack keeps things for itself, rather than for people. */
  boolean isInCache() {
    return text.startsWith(CACHE);
  }
}
