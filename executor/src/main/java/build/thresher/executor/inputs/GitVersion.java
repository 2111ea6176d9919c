package build.thresher.executor.inputs;

import java.util.List;

/**
 * A commit of a repository, of which the farm makes an archive.
 *
 * @param ref branch or tag that has it; "" when the client did not say
 * @param submodules paths of those that are wanted, "*" for all
 * @param removed paths that are left out
 * @param sparse directories that alone are wanted; empty for everything
 * @param fullHistory with all branches and tags
 */
public record GitVersion(
    String commit,
    String ref,
    List<String> submodules,
    List<String> removed,
    List<String> sparse,
    boolean fullHistory) {
  /** Among submodules: all of them, and theirs. */
  public static final String ALL = "*";

  public GitVersion {
    submodules = List.copyOf(submodules);
    removed = List.copyOf(removed);
    sparse = List.copyOf(sparse);
  }
}
