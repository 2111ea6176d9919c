package build.thresher.cas.api.spack;

import build.thresher.cas.api.Digest;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;

/**
 * Where finished specs become visible to Spack. One winner per instance and hash: whoever publishes
 * second gets what the first one published.
 *
 * <p>Threading: any thread; calls block.
 */
public interface SpackMirror {

  /** What the instance serves under this hash. Answered from memory. */
  Optional<PublishedSpec> find(String instance, DagHash hash);

  /** Where it comes from: what {@link BuiltSpec#provenance} of the winner said. */
  Optional<ImmutableMap<String, String>> provenance(String instance, DagHash hash)
      throws IOException;

  /**
   * Checks the archive, signs, and makes the spec visible; durable on return. Idempotent.
   *
   * @return the winner, which may be an earlier archive; one whose blobs the store has lost is
   *     replaced
   * @throws ArchiveRefusedException when the archive breaks a rule; nothing became visible
   * @throws IOException when a blob is missing or the store cannot be written; nothing became
   *     visible, try again
   */
  PublishedSpec publish(String instance, BuiltSpec built)
      throws ArchiveRefusedException, IOException;

  /**
   * What a build hands in.
   *
   * @param node the node as it was submitted
   * @param installRoot padded root that the archive was built for, absolute
   * @param prefix the node's own prefix below it, absolute
   * @param provenance core, recipes, configuration, executor, sandbox mode, submitter: kept with
   *     the result, so that any of them can be revoked
   */
  record BuiltSpec(
      SpecNode node,
      Digest archive,
      String archiveMediaType,
      Digest spec,
      String specMediaType,
      String installRoot,
      String prefix,
      Map<String, String> provenance) {}

  /** What is served. */
  record PublishedSpec(
      DagHash hash, String name, String version, Digest archive, Digest spec, String prefix) {}

  /** The archive breaks a rule of the mirror. Permanent: the same archive is refused again. */
  final class ArchiveRefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    public ArchiveRefusedException(String message) {
      super(message);
    }
  }
}
