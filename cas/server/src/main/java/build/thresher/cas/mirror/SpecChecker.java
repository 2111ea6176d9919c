package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.zip.ZipException;

/** Whether a document that Spack wrote speaks of the node that was submitted. */
final class SpecChecker {
  /** Version of the nodes in a db.v8 index; others would break every reader of it. */
  private static final int SPECFILE_VERSION = 5;

  private final SpecNode node;

  SpecChecker(SpecNode node) {
    this.node = node;
  }

  /** Unpacks and checks the spec blob of a manifest. */
  SpecDocument checkBlob(InputStream gzip) throws ArchiveRefusedException, IOException {
    byte[] json;
    try (InputStream in = new CappedStream(new GzipMember(gzip), SpecDocument.MAX_BYTES)) {
      json = in.readAllBytes();
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
    if (document.version() != SPECFILE_VERSION) {
      throw refused(
          what,
          "has the specfile version %d; this mirror serves version %d"
              .formatted(document.version(), SPECFILE_VERSION));
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
