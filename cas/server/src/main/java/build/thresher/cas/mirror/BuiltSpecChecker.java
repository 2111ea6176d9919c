package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import java.io.IOException;
import java.io.InputStream;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

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

  /** What is held to the rules. */
  record Sound(SpecDocument document, BuiltAt builtAt) {}

  /** Reads archive and document. */
  Sound check(String instance, OfferedSpec offered) throws ArchiveRefusedException, IOException {
    SpecNode node = offered.node();
    requireKnown(
        "archive",
        offered.archiveMediaType(),
        MediaTypes.ARCHIVES.contains(offered.archiveMediaType()));
    requireKnown(
        "spec", offered.specMediaType(), MediaTypes.SPECS.contains(offered.specMediaType()));
    if (!PACKAGE_NAME.matcher(node.name()).matches()
        || !VERSION.matcher(node.version()).matches()) {
      throw new ArchiveRefusedException(
          "the name or version of " + node.hash() + " has characters that Spack's have not");
    }
    Scope scope = Scope.farm(instance);
    boolean pushed = options.pushed().containsKey(instance);
    SpecChecker specs = new SpecChecker(node, pushed ? SpecChecker.PUSHED : SpecChecker.BUILT);
    return new Sound(document(scope, offered, specs), builtAt(scope, offered, specs));
  }

  private SpecDocument document(Scope scope, OfferedSpec offered, SpecChecker specs)
      throws ArchiveRefusedException, IOException {
    SpecDocument known = offered.document();
    if (known != null) {
      return specs.checkBlob(known);
    }
    try (InputStream in = blobs.read(scope, offered.spec(), 0, Long.MAX_VALUE)) {
      return specs.checkBlob(in);
    }
  }

  /** Reads the archive, once but for those whose entries are in another order than Spack's. */
  private BuiltAt builtAt(Scope scope, OfferedSpec offered, SpecChecker specs)
      throws ArchiveRefusedException, IOException {
    ArchiveChecker checker = new ArchiveChecker(offered, specs, offered.builtAt(), options);
    try (InputStream in = blobs.read(scope, offered.archive(), 0, Long.MAX_VALUE)) {
      return checker.check(in);
    } catch (ArchiveRefusedException e) {
      if (offered.builtAt() != null) {
        throw e;
      }
      BuiltAt elsewhere = saidBy(scope, offered.archive());
      if (elsewhere == null && checker.prefix() == null) {
        throw new ArchiveRefusedException(
            e.getMessage() + "; it is no whole archive of Spack 0.22 or newer");
      }
      if (elsewhere == null || elsewhere.prefix().equals(checker.prefix())) {
        throw e;
      }
      try (InputStream in = blobs.read(scope, offered.archive(), 0, Long.MAX_VALUE)) {
        return new ArchiveChecker(offered, specs, elsewhere, options).check(in);
      }
    }
  }

  private @Nullable BuiltAt saidBy(Scope scope, Digest archive) throws IOException {
    try (InputStream in = blobs.read(scope, archive, 0, Long.MAX_VALUE)) {
      return BuiltAt.of(in, options.maxUnpackedBytes(archive.sizeBytes()));
    }
  }

  private static void requireKnown(String what, String mediaType, boolean known)
      throws ArchiveRefusedException {
    if (!known) {
      throw new ArchiveRefusedException(
          "`" + mediaType + "` is no media type of a Spack " + what + " that this mirror serves");
    }
  }
}
