package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which specs somebody means: {@code /HASH}, whole or its beginning, {@code NAME} or {@code
 * NAME@VERSION}. A part that is not given is empty.
 */
record SpecSelector(String hash, String name, String version) {
  private static final Pattern TEXT =
      Pattern.compile(
          "/(?<hash>[a-z2-7]{4,32})|(?<name>[a-z0-9_][a-z0-9_-]*)(?:@=?(?<version>\\S+))?");

  /**
   * @throws IllegalArgumentException saying how specs are named
   */
  static SpecSelector parse(String text) {
    Matcher m = TEXT.matcher(text);
    if (!m.matches()) {
      throw new IllegalArgumentException(
          "`%s` names no spec: /HASH with at least 4 characters, NAME or NAME@VERSION"
              .formatted(text));
    }
    return new SpecSelector(
        given(m.group("hash")), given(m.group("name")), given(m.group("version")));
  }

  private static String given(@org.jspecify.annotations.Nullable String part) {
    return part == null ? "" : part;
  }

  boolean matches(PublishedSpec spec) {
    return name.isEmpty()
        ? spec.hash().text().startsWith(hash)
        : spec.name().equals(name) && (version.isEmpty() || spec.version().equals(version));
  }
}
