package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Set;
import java.util.zip.ZipException;

/** Whether a document that Spack wrote speaks of the node that was submitted. */
final class SpecChecker {
  /**
   * Versions whose nodes can stand in a db.v8 index: its own, and the one that {@link LegacyNodes}
   * translates. Others would break every reader of the index.
   */
  private static final Set<Integer> SPECFILE_VERSIONS = Set.of(5, LegacyNodes.VERSION);

  private final SpecNode node;

  SpecChecker(SpecNode node) {
    this.node = node;
  }

  /** Unpacks a spec blob. */
  static byte[] unpacked(InputStream gzip) throws IOException {
    try (InputStream in = new CappedStream(new GzipMember(gzip), SpecDocument.MAX_BYTES)) {
      return in.readAllBytes();
    }
  }

  /** Unpacks and checks the spec blob of a manifest. */
  SpecDocument checkBlob(InputStream gzip) throws ArchiveRefusedException, IOException {
    byte[] json;
    try {
      json = unpacked(gzip);
    } catch (CappedStream.TooLongException e) {
      throw refused("the spec blob", "unpacks to more than " + SpecDocument.MAX_BYTES + " bytes");
    } catch (ZipException | EOFException e) {
      throw refused("the spec blob", "is not a whole gzip file: " + e.getMessage());
    }
    return check("the spec blob", json);
  }

  /** Checks a document whose first node must be the submitted one, member by member. */
  SpecDocument check(String what, byte[] json) throws ArchiveRefusedException {
    SpecDocument document;
    try {
      document = SpecDocument.parse(json);
    } catch (SpecFormatException e) {
      throw refused(what, "cannot be read: " + e.getMessage());
    }
    if (!SPECFILE_VERSIONS.contains(document.version())) {
      throw refused(
          what,
          "has the specfile version %d; this mirror serves 4 and 5".formatted(document.version()));
    }
    if (document.roots().isEmpty() || !document.roots().getFirst().equals(node.hash())) {
      throw refused(what, "is that of another spec, " + document.roots());
    }
    if (!Arrays.equals(document.node(node.hash()).json(), node.json())) {
      throw refused(what, "holds this node with other content than was submitted");
    }
    for (SpecNode each : document.nodes().values()) {
      boolean hashable = !each.isExternal() && each.splicedFrom().isEmpty();
      if (hashable && !each.contentHash().equals(each.hash())) {
        throw refused(what, "holds " + each.display() + ", whose content does not give its hash");
      }
    }
    return document;
  }

  private ArchiveRefusedException refused(String what, String why) {
    return new ArchiveRefusedException(what + " of " + node.display() + " " + why);
  }
}
