package build.thresher.cas.oci;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.mirror.BadSignatureException;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.PushedSpecs.Outcome;
import build.thresher.cas.mirror.PushedSpecs.SpecFile;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import build.thresher.cas.oci.ImageManifest.Descriptor;
import build.thresher.cas.oci.OciException.Code;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;

/**
 * The images that stand for specs, under the tags that Spack gives them: {@code
 * <name>-<version>-<hash>.spack}, whose config is the spec and whose last layer is the archive, and
 * {@code index.spack}, whose only layer is the index.
 *
 * <p>One that is pushed is verified and published in the instance's mirror, or refused. One that
 * nobody pushed is made for each spec that the mirror has when it is asked for; the index is the
 * mirror's own.
 *
 * <p>Threading: any thread; calls block.
 */
final class SpackImages {
  static final String INDEX_TAG = "index.spack";

  private static final Pattern SPEC_TAG = Pattern.compile(".*-([a-z2-7]{32})\\.spack");
  private static final Pattern SPEC_PATH =
      Pattern.compile("v3/manifests/spec/[^/]+/([^/]+)\\.spec\\.manifest\\.json");
  private static final String INDEX_MEDIA_TYPE = "application/vnd.spack.db.v8+json";
  private static final int MAX_TAG_LENGTH = 128;

  private final RocksSpackMirror mirror;
  private final PushedSpecs pushed;
  private final BlobStore blobs;
  private final Repositories repositories;
  private final MadeImages made;

  SpackImages(
      RocksSpackMirror mirror, PushedSpecs pushed, BlobStore blobs, Repositories repositories) {
    this.mirror = mirror;
    this.pushed = pushed;
    this.blobs = blobs;
    this.repositories = repositories;
    this.made = new MadeImages(mirror, blobs, repositories);
  }

  /** True for tags that only Spack's images may have. */
  static boolean isReserved(String tag) {
    return tag.endsWith(".spack");
  }

  /** The tag of a spec, as Spack makes it. */
  static String tagOf(String nameVersionHash) {
    String tag = (nameVersionHash + ".spack").replaceAll("[^A-Za-z0-9_.-]", "_");
    return tag.length() <= MAX_TAG_LENGTH
        ? tag
        : tag.substring(0, 64) + tag.substring(tag.length() - 64);
  }

  private static String tagOf(PublishedSpec spec) {
    return tagOf(spec.name() + "-" + spec.version() + "-" + spec.hash());
  }

  /** Tags of everything that the mirror has, and of its index. */
  NavigableSet<String> tags(String instance) {
    NavigableSet<String> tags = new TreeSet<>();
    tags.add(INDEX_TAG);
    for (String path : mirror.specManifests(instance)) {
      Matcher m = SPEC_PATH.matcher(path);
      if (m.matches()) {
        tags.add(tagOf(m.group(1)));
      }
    }
    return tags;
  }

  /** The spec that a tag names, if the mirror has it. */
  Optional<PublishedSpec> find(String instance, String tag) {
    Matcher m = SPEC_TAG.matcher(tag);
    return m.matches()
        ? mirror.find(instance, new DagHash(m.group(1))).filter(spec -> tagOf(spec).equals(tag))
        : Optional.empty();
  }

  /** An image for a spec that the mirror has. */
  Served.Document image(String instance, PublishedSpec spec) throws IOException {
    return made.image(instance, spec);
  }

  /** An image of the mirror's index. */
  Optional<Served.Document> index(String instance) throws IOException {
    Optional<Served> manifest = mirror.get(instance, "v3/manifests/index/index.manifest.json");
    if (manifest.isEmpty() || !(manifest.get() instanceof Served.Document document)) {
      return Optional.empty();
    }
    for (JsonNode entry : ImageManifest.JSON.readTree(document.bytes()).path("data")) {
      if (entry.path("mediaType").asText().equals(INDEX_MEDIA_TYPE)) {
        Digest index =
            Digest.parse(entry.path("checksum").asText(), entry.path("contentLength").asLong());
        Digest plain =
            entry.path("compression").asText().equals("gzip") ? unpacked(instance, index) : index;
        return Optional.of(made.ofIndex(instance, plain));
      }
    }
    return Optional.empty();
  }

  /** Spack reads a layer that is an index as plain text. */
  private Digest unpacked(String instance, Digest index) throws IOException {
    Scope scope = Scope.farm(instance);
    try (InputStream in =
        new GZIPInputStream(blobs.read(scope, index, 0, Long.MAX_VALUE), 1 << 16)) {
      return repositories.add(instance, in.readAllBytes());
    }
  }

  /**
   * Publishes the spec whose image was pushed.
   *
   * @return its hash
   */
  DagHash take(String instance, String tag, ImageManifest manifest)
      throws OciException, IOException {
    Descriptor config = manifest.config();
    if (config == null || manifest.layers().isEmpty()) {
      throw invalid("the tag `" + tag + "` is for the image of a spec, which this is not");
    }
    byte[] text = config(instance, config.digest());
    SpecNode root = root(tag, text);
    try {
      PushedSpecs.Taken taken =
          pushed.take(
              instance,
              new SpecFile(
                  new String(text, StandardCharsets.UTF_8), manifest.layers().getLast().digest()),
              "oci");
      if (taken.outcome() == Outcome.DIFFERENT) {
        throw OciException.denied(
            "the instance has another archive for " + root.hash() + ", and keeps it");
      }
      return root.hash();
    } catch (BadSignatureException e) {
      throw OciException.denied(String.valueOf(e.getMessage()));
    } catch (ArchiveRefusedException e) {
      throw invalid(String.valueOf(e.getMessage()));
    }
  }

  private byte[] config(String instance, Digest digest) throws OciException, IOException {
    if (digest.sizeBytes() > SpecDocument.MAX_BYTES) {
      throw invalid("the image's config has more than " + SpecDocument.MAX_BYTES + " bytes");
    }
    return blobs.readAll(Scope.farm(instance), digest);
  }

  /** Compared before anything is published: the tag must be the one that Spack gives this spec. */
  private static SpecNode root(String tag, byte[] config) throws OciException {
    try {
      SpecDocument document = SpecDocument.parse(config);
      if (document.roots().isEmpty()) {
        throw invalid("the image's config holds no spec");
      }
      SpecNode root = document.node(document.roots().getFirst());
      if (!tagOf(root.name() + "-" + root.version() + "-" + root.hash()).equals(tag)) {
        throw invalid("the image is that of " + root.display() + ", which has another tag");
      }
      return root;
    } catch (SpecFormatException e) {
      throw invalid("the image's config is no spec: " + e.getMessage());
    }
  }

  private static OciException invalid(String message) {
    return OciException.invalid(Code.MANIFEST_INVALID, message);
  }
}
