package build.thresher.cas.mirror;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.TrustedKeys.Verified;
import com.google.common.collect.ImmutableMap;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Set;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * Takes specs that somebody else built, from another mirror or from Spack itself, into instances
 * that are meant for them. The blobs are in the store already; the signature must count, the
 * archive and the spec must hold to the rules that the farm's own results hold to, and what is
 * served is signed with the instance's key.
 *
 * <p>Threading: any thread; calls block.
 */
public final class PushedSpecs {
  private static final String ARCHIVE = "application/vnd.spack.install.v2.tar+gzip";
  private static final String SPEC = "application/vnd.spack.spec.v5+json";

  private final RocksSpackMirror mirror;
  private final BlobStore blobs;
  private final MirrorOptions options;

  public PushedSpecs(RocksSpackMirror mirror, BlobStore blobs, MirrorOptions options) {
    this.mirror = mirror;
    this.blobs = blobs;
    this.options = options;
  }

  /** What became of a spec. */
  public enum Outcome {
    PUBLISHED,
    /** The instance had just this. */
    IDENTICAL,
    /** The instance has another archive for this hash, and keeps it. */
    DIFFERENT
  }

  /**
   * @param served what the instance serves under that hash now
   */
  public record Taken(Outcome outcome, PublishedSpec served) {}

  /**
   * Takes a spec as layout v3 names it.
   *
   * @param manifest text of {@code <name>-<version>-<hash>.spec.manifest.json}, clear-signed or not
   * @param source where it comes from, for its provenance
   * @throws BadSignatureException when nobody who is trusted signed it
   * @throws ArchiveRefusedException when a rule is broken; nothing became visible
   * @throws BlobNotFoundException when a blob that it names is not in the store
   */
  public Taken take(String instance, String manifest, String source)
      throws BadSignatureException, ArchiveRefusedException, IOException {
    return take(instance, "", manifest, source);
  }

  /** The same for a manifest that stands under the name of this DAG hash. */
  public Taken takeAs(String instance, String hash, String manifest, String source)
      throws BadSignatureException, ArchiveRefusedException, IOException {
    return take(instance, hash, manifest, source);
  }

  private Taken take(String instance, String name, String manifest, String source)
      throws BadSignatureException, ArchiveRefusedException, IOException {
    Verified said = vouchedFor(instance, manifest);
    IncomingText.SpecManifest named = IncomingText.SpecManifest.parse(said.text());
    SpecNode node = root(unpackedSpec(instance, named.spec().digest()));
    if (!name.isEmpty() && !name.equals(node.hash().text())) {
      throw new ArchiveRefusedException(
          "the manifest of /" + name + " names the spec of another node, " + node.display());
    }
    Optional<Taken> there = there(instance, node, named.archive().digest());
    if (there.isPresent()) {
      return there.get();
    }
    BuiltAt builtAt = builtAt(instance, named.archive().digest());
    return publish(
        instance,
        new BuiltSpec(
            node,
            named.archive().digest(),
            named.archive().mediaType(),
            named.spec().digest(),
            named.spec().mediaType(),
            builtAt.installRoot(),
            builtAt.prefix(),
            provenance(source, said)));
  }

  /**
   * Takes a spec as layout v2 names it.
   *
   * @param specFile text of {@code ….spec.json.sig} or {@code ….spec.json}
   * @param archive the {@code .spack} file, which the spec file's checksum must name
   */
  public Taken takeLegacy(String instance, String specFile, Digest archive, String source)
      throws BadSignatureException, ArchiveRefusedException, IOException {
    Verified said = vouchedFor(instance, specFile);
    String checksum = IncomingText.archiveChecksum(said.text());
    if (!checksum.equals(archive.hex())) {
      throw new ArchiveRefusedException(
          "the spec file vouches for an archive with the sha256 %s, not for %s"
              .formatted(checksum, archive.hex()));
    }
    SpecDocument document = document(said.text().getBytes(StandardCharsets.UTF_8));
    SpecNode root = document.node(document.roots().getFirst());
    Optional<Taken> there = there(instance, root, archive);
    if (there.isPresent()) {
      return there.get();
    }
    BuiltAt builtAt = builtAt(instance, archive);
    Blob spec = Blob.of(gzip(document.subDocument(root.hash(), document.nodes().keySet())));
    blobs.put(Scope.farm(instance), spec.bytes());
    return publish(
        instance,
        new BuiltSpec(
            root,
            archive,
            ARCHIVE,
            spec.digest(),
            SPEC,
            builtAt.installRoot(),
            builtAt.prefix(),
            provenance(source, said)));
  }

  /** To look is enough where the instance has a whole result already. */
  private Optional<Taken> there(String instance, SpecNode node, Digest archive) throws IOException {
    return mirror
        .whole(instance, node.hash())
        .map(
            served ->
                new Taken(
                    served.archive().equals(archive) ? Outcome.IDENTICAL : Outcome.DIFFERENT,
                    served));
  }

  private Taken publish(String instance, BuiltSpec built)
      throws ArchiveRefusedException, IOException {
    PublishedSpec served = mirror.publishAnywhere(instance, built);
    boolean won = served.archive().equals(built.archive());
    return new Taken(won ? Outcome.PUBLISHED : Outcome.DIFFERENT, served);
  }

  private Verified vouchedFor(String instance, String text)
      throws BadSignatureException, ArchiveRefusedException {
    PushRules rules = rules(instance);
    if (ClearSignedText.isOne(text)) {
      return rules.keys().verify(text);
    }
    if (!rules.unsigned()) {
      throw new BadSignatureException(
          "it is not signed, and the instance `" + instance + "` takes signed specs only");
    }
    return new Verified(text, "");
  }

  private PushRules rules(String instance) throws ArchiveRefusedException {
    @Nullable PushRules rules = options.pushed().get(instance);
    if (rules == null) {
      Set<String> there = options.pushed().keySet();
      throw new ArchiveRefusedException(
          "the instance `%s` takes no specs from elsewhere; %s"
              .formatted(
                  instance,
                  there.isEmpty()
                      ? "none of this farm does (mirror.pushed in farm.yaml)"
                      : "those that do: " + String.join(", ", there)));
    }
    return rules;
  }

  private BuiltAt builtAt(String instance, Digest archive)
      throws ArchiveRefusedException, IOException {
    long limit = options.maxUnpackedBytes(archive.sizeBytes());
    try (InputStream in = blobs.read(Scope.farm(instance), archive, 0, Long.MAX_VALUE)) {
      BuiltAt found = BuiltAt.of(in, limit);
      if (found == null) {
        throw new ArchiveRefusedException(
            "the archive "
                + archive
                + " does not say where it was built: it is no whole archive of Spack 0.22 or newer");
      }
      return found;
    }
  }

  private byte[] unpackedSpec(String instance, Digest spec)
      throws ArchiveRefusedException, IOException {
    try (InputStream in = blobs.read(Scope.farm(instance), spec, 0, Long.MAX_VALUE)) {
      return SpecChecker.unpacked(in);
    } catch (CappedStream.TooLongException | ZipException | EOFException e) {
      throw new ArchiveRefusedException("the spec blob " + spec + " is no gzip file of a spec");
    }
  }

  private static SpecNode root(byte[] json) throws ArchiveRefusedException {
    SpecDocument document = document(json);
    return document.node(document.roots().getFirst());
  }

  private static SpecDocument document(byte[] json) throws ArchiveRefusedException {
    try {
      SpecDocument document = SpecDocument.parse(json);
      if (!document.roots().isEmpty()) {
        return document;
      }
      throw new ArchiveRefusedException("the spec has no root");
    } catch (SpecFormatException e) {
      throw new ArchiveRefusedException("the spec cannot be read: " + e.getMessage());
    }
  }

  private static ImmutableMap<String, String> provenance(String source, Verified said) {
    return ImmutableMap.of(
        "source",
        source,
        "signed-by",
        said.fingerprint().isEmpty() ? "nobody" : said.fingerprint());
  }

  private static byte[] gzip(byte[] bytes) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
      gzip.write(bytes);
    }
    return out.toByteArray();
  }
}
