package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import java.io.IOException;
import java.util.List;

/**
 * A node of an index.
 *
 * @param json the node's compact text
 */
@SuppressWarnings("ArrayRecordComponent") // read once, never compared
record IndexNode(DagHash hash, List<DagHash> dependencies, byte[] json) {
  /** A node of a document, in the form that the index has. */
  static IndexNode of(SpecDocument document, SpecNode node) throws IOException {
    boolean legacy = document.version() == LegacyNodes.VERSION;
    return new IndexNode(
        node.hash(),
        node.dependencies().stream().map(SpecDependency::hash).toList(),
        legacy ? LegacyNodes.forIndex(node.json()) : node.json());
  }
}
