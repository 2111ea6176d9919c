package build.thresher.cas.api.spack;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One node of a concrete DAG: what the farm reads of it, and its text exactly as Spack wrote it.
 * Only the text counts for hashes; it is never written anew from the fields.
 *
 * @param json compact UTF-8 JSON of the node in written key order, {@code hash} included
 * @param contentHash SHA-1 of the same text without {@code hash}, as Spack computes it
 * @param target name of the microarchitecture
 * @param targetFeatures what a processor must be able to do; empty for a generic target
 * @param externalPath prefix of an external node; null for a node that is built
 * @param buildSpec for a spliced node, the hash of the spec that it was built as
 * @param packageHash hash over the recipe and its patches; null in nodes that carry none
 */
@SuppressWarnings("ArrayRecordComponent") // shared and never changed; nodes are compared by hash
public record SpecNode(
    DagHash hash,
    String name,
    String version,
    String platform,
    String operatingSystem,
    String target,
    ImmutableSet<String> targetFeatures,
    ImmutableList<SpecDependency> dependencies,
    @Nullable String externalPath,
    @Nullable DagHash buildSpec,
    @Nullable String packageHash,
    DagHash contentHash,
    byte[] json) {

  public boolean isExternal() {
    return externalPath != null;
  }

  public Optional<DagHash> splicedFrom() {
    return Optional.ofNullable(buildSpec);
  }

  /**
   * {@code <platform>-<target>/<name>-<version>-<hash>}: Spack's default projection, below the
   * install root.
   */
  public String defaultProjection() {
    return platform + "-" + target + "/" + name + "-" + version + "-" + hash;
  }

  /** {@code name@version/hash7}, for people. */
  public String display() {
    return name + "@" + version + "/" + hash.shortText();
  }
}
