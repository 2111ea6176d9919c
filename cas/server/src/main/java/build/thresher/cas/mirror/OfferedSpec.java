package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A spec that is to be shown, if it holds to the rules.
 *
 * @param document what the spec blob says, where it was made of this or read before; else null
 * @param builtAt null when the archive has to say it
 */
record OfferedSpec(
    SpecNode node,
    Digest archive,
    String archiveMediaType,
    Digest spec,
    String specMediaType,
    @Nullable SpecDocument document,
    @Nullable BuiltAt builtAt,
    Map<String, String> provenance) {

  static OfferedSpec of(BuiltSpec built) {
    return new OfferedSpec(
        built.node(),
        built.archive(),
        built.archiveMediaType(),
        built.spec(),
        built.specMediaType(),
        null,
        new BuiltAt(built.installRoot(), built.prefix()),
        built.provenance());
  }
}
