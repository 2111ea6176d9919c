package build.thresher.cas.mirror;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.Publishing.Checked;
import build.thresher.cas.mirror.PushedSpecs.Description;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.PushedSpecs.Outcome;
import build.thresher.cas.mirror.PushedSpecs.Refused;
import build.thresher.cas.mirror.PushedSpecs.Result;
import build.thresher.cas.mirror.PushedSpecs.SpecFile;
import build.thresher.cas.mirror.PushedSpecs.Taken;
import build.thresher.cas.mirror.TrustedKeys.Verified;
import com.google.common.collect.ImmutableMap;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * One spec on its way in: {@link #read}, then {@link #check}, then it is published with the others;
 * or it ends before, because the instance has it or because it breaks a rule.
 *
 * <p>Used by one thread after the other.
 */
final class IncomingSpec {
  private static final String ARCHIVE = "application/vnd.spack.install.v2.tar+gzip";
  private static final String SPEC = "application/vnd.spack.spec.v5+json";

  private final Description description;
  private final String instance;
  private final RocksSpackMirror mirror;
  private final BlobStore blobs;
  private final PushRules rules;
  private final String source;

  private @Nullable Candidate candidate;
  private @Nullable Checked checked;
  private @Nullable Result result;

  /**
   * What somebody vouches for.
   *
   * @param document what the spec blob says
   * @param madeSpec the spec blob where it was not uploaded; null where it was
   */
  private record Candidate(
      SpecNode node,
      SpecDocument document,
      Manifest.Part archive,
      Manifest.Part spec,
      @Nullable Blob madeSpec,
      Verified said) {}

  IncomingSpec(
      Description description,
      String instance,
      RocksSpackMirror mirror,
      BlobStore blobs,
      PushRules rules,
      String source) {
    this.description = description;
    this.instance = instance;
    this.mirror = mirror;
    this.blobs = blobs;
    this.rules = rules;
    this.source = source;
  }

  /** Whether somebody who is trusted says this, and of what. */
  void read() {
    try {
      Candidate found =
          switch (description) {
            case ManifestText manifest -> candidate(manifest);
            case SpecFile specFile -> candidate(specFile);
          };
      Optional<PublishedSpec> there = mirror.whole(instance, found.node().hash());
      if (there.isPresent()) {
        boolean same = there.get().archive().equals(found.archive().digest());
        result = new Taken(same ? Outcome.IDENTICAL : Outcome.DIFFERENT, there.get());
      } else {
        candidate = found;
      }
    } catch (BadSignatureException
        | ArchiveRefusedException
        | IOException
        | IllegalArgumentException e) {
      result = new Refused(e);
    }
  }

  /** What must be in the store before {@link #check}. */
  Optional<Blob> madeSpec() {
    return Optional.ofNullable(candidate).map(Candidate::madeSpec);
  }

  /** Whether it may be shown. */
  void check() {
    Candidate found = candidate;
    if (found == null) {
      return;
    }
    try {
      checked =
          mirror.check(
              instance,
              new OfferedSpec(
                  found.node(),
                  found.archive().digest(),
                  found.archive().mediaType(),
                  found.spec().digest(),
                  found.spec().mediaType(),
                  found.document(),
                  null,
                  provenance(found.said())));
    } catch (ArchiveRefusedException | IOException | IllegalArgumentException e) {
      result = new Refused(e);
    }
  }

  /** What is to be published; empty when it ended before. */
  Optional<Checked> checked() {
    return Optional.ofNullable(checked);
  }

  /** It was published, or another one was before it. */
  void isServed(PublishedSpec winner) {
    boolean won = checked != null && checked.record().spec().archive().equals(winner.archive());
    result = new Taken(won ? Outcome.PUBLISHED : Outcome.DIFFERENT, winner);
  }

  Result result() {
    return Objects.requireNonNull(result, "it was never asked what becomes of this spec");
  }

  private Candidate candidate(ManifestText manifest)
      throws BadSignatureException, ArchiveRefusedException, IOException {
    Verified said = vouchedFor(manifest.text());
    IncomingText.SpecManifest named = IncomingText.SpecManifest.parse(said.text());
    SpecDocument document = document(unpackedSpec(named.spec().digest()));
    SpecNode node = root(document);
    if (!manifest.hash().isEmpty() && !manifest.hash().equals(node.hash().text())) {
      throw new ArchiveRefusedException(
          "the manifest of /%s names the spec of another node, %s"
              .formatted(manifest.hash(), node.display()));
    }
    return new Candidate(node, document, named.archive(), named.spec(), null, said);
  }

  private Candidate candidate(SpecFile specFile)
      throws BadSignatureException, ArchiveRefusedException, IOException {
    Verified said = vouchedFor(specFile.text());
    String checksum = IncomingText.archiveChecksum(said.text());
    if (!checksum.equals(specFile.archive().hex())) {
      throw new ArchiveRefusedException(
          "the spec file vouches for an archive with the sha256 %s, not for %s"
              .formatted(checksum, specFile.archive().hex()));
    }
    SpecDocument document = document(said.text().getBytes(StandardCharsets.UTF_8));
    SpecNode root = root(document);
    Blob spec = Blob.of(gzip(document.subDocument(root.hash(), document.nodes().keySet())));
    return new Candidate(
        root,
        document,
        new Manifest.Part(specFile.archive(), ARCHIVE, "gzip"),
        new Manifest.Part(spec.digest(), SPEC, "gzip"),
        spec,
        said);
  }

  private Verified vouchedFor(String text) throws BadSignatureException {
    if (ClearSignedText.isOne(text)) {
      return rules.keys().verify(text);
    }
    if (!rules.unsigned()) {
      throw new BadSignatureException(
          "it is not signed, and the instance `" + instance + "` takes signed specs only");
    }
    return new Verified(text, "");
  }

  private byte[] unpackedSpec(Digest spec) throws ArchiveRefusedException, IOException {
    try (InputStream in = blobs.read(Scope.farm(instance), spec, 0, Long.MAX_VALUE)) {
      return SpecChecker.unpacked(in);
    } catch (CappedStream.TooLongException | ZipException | EOFException e) {
      throw new ArchiveRefusedException("the spec blob " + spec + " is no gzip file of a spec");
    }
  }

  private static SpecNode root(SpecDocument document) {
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

  private ImmutableMap<String, String> provenance(Verified said) {
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
