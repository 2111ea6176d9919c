package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import java.io.IOException;
import java.io.InputStream;
import java.util.regex.Pattern;

/**
 * What a built spec must be before a mirror shows it: of the instance's root, of a kind that Spack
 * reads, and in its archive and document what it is said to be. Threading: any thread; calls block.
 */
final class BuiltSpecChecker {
  private static final Pattern PACKAGE_NAME = Pattern.compile("[a-z0-9_][a-z0-9_-]{0,199}");
  private static final Pattern VERSION = Pattern.compile("[A-Za-z0-9_.=+~,-]{1,300}");

  private final BlobStore blobs;
  private final MirrorOptions options;

  BuiltSpecChecker(BlobStore blobs, MirrorOptions options) {
    this.blobs = blobs;
    this.options = options;
  }

  /** Archives hold the path that they were built for; another one would not fit its neighbours. */
  void requireRoot(String instance, BuiltSpec built) throws ArchiveRefusedException {
    String root = options.installRoots().get(instance);
    if (root == null) {
      throw new ArchiveRefusedException(
          "there is no instance `%s` to publish %s in; this server has %s"
              .formatted(instance, built.node().display(), options.installRoots().keySet()));
    }
    if (!root.equals(built.installRoot())) {
      throw new ArchiveRefusedException(
          "%s was built for the install root %s, but the root of instance `%s` is %s: build it again"
              .formatted(built.node().display(), built.installRoot(), instance, root));
    }
  }

  /** Reads archive and document. Returns the document. */
  SpecDocument check(String instance, BuiltSpec built) throws ArchiveRefusedException, IOException {
    SpecNode node = built.node();
    requireKnown(
        "archive",
        built.archiveMediaType(),
        MediaTypes.ARCHIVES.contains(built.archiveMediaType()));
    requireKnown("spec", built.specMediaType(), MediaTypes.SPECS.contains(built.specMediaType()));
    if (!PACKAGE_NAME.matcher(node.name()).matches()
        || !VERSION.matcher(node.version()).matches()) {
      throw new ArchiveRefusedException(
          "the name or version of " + node.hash() + " has characters that Spack's have not");
    }
    Scope scope = Scope.farm(instance);
    boolean pushed = options.pushed().containsKey(instance);
    SpecChecker specs = new SpecChecker(node, pushed ? SpecChecker.PUSHED : SpecChecker.BUILT);
    SpecDocument document;
    try (InputStream in = blobs.read(scope, built.spec(), 0, Long.MAX_VALUE)) {
      document = specs.checkBlob(in);
    }
    byte[] inside;
    try (InputStream in = blobs.read(scope, built.archive(), 0, Long.MAX_VALUE)) {
      inside = new ArchiveChecker(built, options).check(in);
    }
    specs.check(".spack/spec.json", inside);
    return document;
  }

  private static void requireKnown(String what, String mediaType, boolean known)
      throws ArchiveRefusedException {
    if (!known) {
      throw new ArchiveRefusedException(
          "`" + mediaType + "` is no media type of a Spack " + what + " that this mirror serves");
    }
  }
}
