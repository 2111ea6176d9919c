package build.thresher.scheduler.spack;

import build.thresher.cas.api.spack.SpecNode;

/**
 * Where the farm installs: a root padded to a fixed length, exactly as Spack pads it, so that an
 * archive can be relocated to any shorter root later.
 *
 * @param root un-padded, absolute, without a slash at its end
 * @param paddedLength characters of the padded root
 */
public record InstallTree(String root, int paddedLength) {
  private static final String PADDING = "__spack_path_placeholder__/";

  public InstallTree {
    if (!root.startsWith("/") || root.endsWith("/") || root.contains("//")) {
      throw new IllegalArgumentException(
          "the install root `" + root + "` is not an absolute path without a slash at its end");
    }
    int padding = paddedLength - root.length() - 1;
    if (padding == 0 || (padding > 0 && padding % PADDING.length() == 0)) {
      // Spack's versions disagree on what to do with the slash that would be last.
      throw new IllegalArgumentException(
          "the install root "
              + root
              + " cannot be padded to "
              + paddedLength
              + " characters, because the last one would be a slash; choose another length");
    }
  }

  /** The root as Spack pads it. */
  public String paddedRoot() {
    if (root.length() >= paddedLength) {
      return root;
    }
    StringBuilder padded = new StringBuilder(root).append('/');
    while (padded.length() < paddedLength) {
      padded.append(PADDING);
    }
    padded.setLength(paddedLength);
    return padded.toString();
  }

  /** Where the node is installed. */
  public String prefix(SpecNode node) {
    return paddedRoot() + "/" + node.defaultProjection();
  }
}
