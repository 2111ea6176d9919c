package build.thresher.cas.client;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.Qualifier;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;

/**
 * What a farm is asked for a source of Spack's: Remote Asset's {@code FetchBlob}, with what only
 * the farm's fetcher reads. What is fetched so is in the instance's source mirror, under the path
 * that is given here.
 */
public final class SourceQuestion {
  private final FetchBlobRequest.Builder request;

  /**
   * @param mirrorPath where a source mirror has it
   * @param name where people look for it there; "" for none
   */
  public SourceQuestion(String instance, List<String> urls, String mirrorPath, String name) {
    request = FetchBlobRequest.newBuilder().setInstanceName(instance).addAllUris(urls);
    add("thresher.mirror_path", mirrorPath);
    add("thresher.mirror_name", name);
  }

  /**
   * @param sha256 in hexadecimal
   */
  public FetchBlobRequest archive(String sha256) {
    add(
        "checksum.sri",
        "sha256-" + Base64.getEncoder().encodeToString(HexFormat.of().parseHex(sha256)));
    return request.build();
  }

  /**
   * An archive that the farm makes of a commit.
   *
   * @param ref branch or tag that has it; "" for unknown
   * @param submodules paths of those that are wanted, "*" for all
   * @param removed paths that are left out
   * @param sparse directories that alone are wanted; empty for everything
   */
  public FetchBlobRequest commit(
      String commit,
      String ref,
      List<String> submodules,
      List<String> removed,
      List<String> sparse,
      boolean fullHistory) {
    add("vcs.commit", commit);
    add("vcs.branch", ref);
    add("thresher.git_submodules", String.join("\n", submodules));
    add("thresher.git_removed", String.join("\n", removed));
    add("thresher.git_sparse", String.join("\n", sparse));
    add("thresher.git_full_history", fullHistory ? "true" : "");
    return request.build();
  }

  private void add(String qualifier, String value) {
    if (!value.isEmpty()) {
      request.addQualifiers(Qualifier.newBuilder().setName(qualifier).setValue(value));
    }
  }
}
