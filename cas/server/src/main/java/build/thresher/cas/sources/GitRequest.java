package build.thresher.cas.sources;

import build.thresher.cas.api.Digest;
import com.google.common.collect.ImmutableSortedSet;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;

/**
 * What is wanted of a git repository. Two that are equal give the same files, whatever server they
 * come from, because a commit names its content.
 *
 * @param commit 40 lower-case hex digits
 * @param ref branch or tag that has it, for servers that do not give out commits by hash; "" for
 *     any
 * @param submodules paths of those that are wanted; {@link #ALL} for all
 * @param removed paths that are left out
 * @param sparse directories that alone are wanted, with the files beside them and above; empty for
 *     everything
 * @param fullHistory with all branches and tags, and what led to them
 */
record GitRequest(
    String commit,
    String ref,
    ImmutableSortedSet<String> submodules,
    ImmutableSortedSet<String> removed,
    ImmutableSortedSet<String> sparse,
    boolean fullHistory) {
  static final String ALL = "*";

  /**
   * @throws IllegalArgumentException for what git would take for something else
   */
  GitRequest {
    if (!commit.matches("[0-9a-f]{40}")) {
      throw new IllegalArgumentException("a commit is 40 lower-case hex digits, not " + commit);
    }
    if (!ref.isEmpty() && !isRef(ref)) {
      throw new IllegalArgumentException("no name of a branch or tag: " + ref);
    }
    for (Collection<String> paths : List.of(submodules, removed, sparse)) {
      paths.forEach(GitRequest::requirePath);
    }
  }

  static boolean isRef(String name) {
    return name.matches("[A-Za-z0-9_][A-Za-z0-9_./+#@-]{0,200}")
        && !name.contains("..")
        && !name.contains("@{");
  }

  private static void requirePath(String path) {
    if (!path.equals(ALL) && !isPath(path)) {
      throw new IllegalArgumentException("no path in a repository: " + path);
    }
  }

  /** Whether a file of this path can lie in an archive without harm. */
  static boolean isPath(String path) {
    for (String name : path.split("/", -1)) {
      if (name.isEmpty()
          || name.equals(".")
          || name.equals("..")
          || name.equalsIgnoreCase(".git")
          || name.indexOf('\0') >= 0) {
        return false;
      }
    }
    return true;
  }

  boolean wantsSubmodule(String path) {
    return !isRemoved(path) && (submodules.contains(ALL) || submodules.contains(path));
  }

  boolean isRemoved(String path) {
    return removed.stream().anyMatch(gone -> path.equals(gone) || path.startsWith(gone + "/"));
  }

  /** As git's sparse checkout has it: what is below, and files beside and above. */
  boolean wants(String path) {
    if (isRemoved(path)) {
      return false;
    }
    String parent = path.contains("/") ? path.substring(0, path.lastIndexOf('/') + 1) : "";
    return sparse.isEmpty()
        || sparse.stream()
            .anyMatch(wanted -> path.startsWith(wanted + "/") || (wanted + "/").startsWith(parent));
  }

  /** The whole of a submodule that is wanted, with its own. */
  GitRequest ofSubmodule(String its) {
    return new GitRequest(
        its,
        "",
        ImmutableSortedSet.of(ALL),
        ImmutableSortedSet.of(),
        ImmutableSortedSet.of(),
        fullHistory);
  }

  /** Names what comes of it; longer than any checksum. */
  String key() {
    String how = String.join("\0", "", String.join("\n", submodules), String.join("\n", removed));
    String rest = how + "\0" + String.join("\n", sparse) + "\0" + fullHistory;
    return "git " + commit + " " + Digest.of(rest.getBytes(StandardCharsets.UTF_8)).hex();
  }

  @Override
  public String toString() {
    return "the commit " + commit;
  }
}
