package build.thresher.executor.sandbox;

import java.nio.file.Path;

/**
 * Something of the host that a build sees.
 *
 * @param host what is shown
 * @param inside absolute path at which the build sees it
 * @param writable whether the build may change it; false for everything shared between builds
 */
public record Bind(Path host, String inside, boolean writable) {
  public Bind {
    if (!inside.startsWith("/")) {
      throw new IllegalArgumentException("a build sees only absolute paths, not " + inside);
    }
  }

  /** Shown, not to be changed. */
  public static Bind readOnly(Path host, String inside) {
    return new Bind(host, inside, false);
  }

  /** The build's own. */
  public static Bind writable(Path host, String inside) {
    return new Bind(host, inside, true);
  }
}
