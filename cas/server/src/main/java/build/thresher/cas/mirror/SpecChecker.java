package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import com.google.common.collect.ImmutableSet;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.zip.ZipException;

/** Whether a document that Spack wrote speaks of the node that was submitted. */
final class SpecChecker {
  /** What can be built is of the version whose nodes stand in a db.v8 index. */
  static final ImmutableSet<Integer> BUILT = ImmutableSet.of(5);

  /** Of what others built also the version that {@link LegacyNodes} translates for an index. */
  static final ImmutableSet<Integer> PUSHED = ImmutableSet.of(LegacyNodes.VERSION, 5);

  private final SpecNode node;
  private final ImmutableSet<Integer> versions;

  SpecChecker(SpecNode node, ImmutableSet<Integer> versions) {
    this.node = node;
    this.versions = versions;
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

  /** Checks the spec blob of a manifest where it is known what it says. */
  SpecDocument checkBlob(SpecDocument document) throws ArchiveRefusedException {
    return check("the spec blob", document);
  }

  /** Checks a document whose first node must be the submitted one, member by member. */
  SpecDocument check(String what, byte[] json) throws ArchiveRefusedException {
    try {
      return check(what, SpecDocument.parse(json));
    } catch (SpecFormatException e) {
      throw refused(what, "cannot be read: " + e.getMessage());
    }
  }

  private SpecDocument check(String what, SpecDocument document) throws ArchiveRefusedException {
    if (!versions.contains(document.version())) {
      throw refused(
          what,
          "has the specfile version %d; here it must be one of %s"
              .formatted(document.version(), versions));
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
