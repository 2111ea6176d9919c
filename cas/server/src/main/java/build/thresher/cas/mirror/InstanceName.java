package build.thresher.cas.mirror;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Names of instances. They stand in URLs before the paths of a mirror and in resource names of
 * REAPI, so they may have several components, and none that such a path begins with.
 */
public final class InstanceName {
  private static final String COMPONENT =
      "(?!(?:v3|build_cache|blobs|sources|compressed-blobs|uploads|actions|actionResults"
          + "|operations|capabilities)(?:/|$))[A-Za-z0-9][A-Za-z0-9._-]*";
  private static final Pattern NAME = Pattern.compile("|" + COMPONENT + "(?:/" + COMPONENT + ")*");
  private static final Pattern IN_PATH =
      Pattern.compile("(.+?)/((?:v3|build_cache|blobs|_source-cache|sources)/.*)");
  private static final int MAX_LENGTH = 200;

  private InstanceName() {}

  /**
   * @throws IllegalArgumentException saying what a name is
   */
  public static void require(String name) {
    if (name.length() > MAX_LENGTH || !NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "`%s` is no name of an instance: letters, digits, `.`, `_`, `-`, in components between"
                  .formatted(name)
              + " slashes, none of them `v3`, `blobs` or another word that paths begin with");
    }
  }

  /**
   * @param instance as it stands in the URL
   * @param path below the mirror of the instance
   */
  public record InPath(String instance, String path) {}

  /** Divides {@code <instance>/v3/…} or {@code <instance>/blobs/…}. */
  public static Optional<InPath> split(String path) {
    var m = IN_PATH.matcher(path);
    return m.matches() ? Optional.of(new InPath(m.group(1), m.group(2))) : Optional.empty();
  }
}
