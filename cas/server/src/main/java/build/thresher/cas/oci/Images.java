package build.thresher.cas.oci;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import build.thresher.cas.oci.ImageManifest.Descriptor;
import build.thresher.cas.oci.ImageTables.Kept;
import build.thresher.cas.oci.ImageTables.Placed;
import build.thresher.cas.oci.OciException.Code;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.util.concurrent.Striped;
import java.io.IOException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.locks.Lock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Manifests and tags of repositories. A manifest is visible when everything that it names is in the
 * instance and pinned, the spec of a Spack image published; a tag changes from one whole image to
 * another. Images of specs are shown as long as the mirror has the spec.
 *
 * <p>Threading: any thread; calls block.
 */
final class Images {
  private static final Logger log = LoggerFactory.getLogger(Images.class);

  private final ImageTables tables;
  private final RocksSpackMirror mirror;
  private final BlobStore blobs;
  private final Repositories repositories;
  private final SpackImages spack;
  private final Striped<Lock> writing = Striped.lock(64);

  Images(
      ImageTables tables,
      RocksSpackMirror mirror,
      BlobStore blobs,
      Repositories repositories,
      SpackImages spack) {
    this.tables = tables;
    this.mirror = mirror;
    this.blobs = blobs;
    this.repositories = repositories;
    this.spack = spack;
  }

  /**
   * Tags in their order. The repository that is named like its instance lists every spec that the
   * mirror has, whoever brought it.
   */
  NavigableSet<String> tags(Repository repository) throws IOException {
    NavigableSet<String> tags =
        repository.name().equals(repository.instance())
            ? spack.tags(repository.instance())
            : new TreeSet<>();
    for (String tag : tables.tags(repository.name())) {
      if (!SpackImages.isReserved(tag) || spack.find(repository.instance(), tag).isPresent()) {
        tags.add(tag);
      }
    }
    return tags;
  }

  /** The manifest that a tag names. */
  Optional<Served.Document> tagged(Repository repository, String tag) throws IOException {
    if (tag.equals(SpackImages.INDEX_TAG)) {
      return spack.index(repository.instance());
    }
    Optional<PublishedSpec> spec = spack.find(repository.instance(), tag);
    if (SpackImages.isReserved(tag) && spec.isEmpty()) {
      return Optional.empty();
    }
    Optional<Digest> named = tables.tag(repository.name(), tag);
    Optional<Served.Document> kept =
        named.isPresent() ? manifest(repository, named.get(), false) : Optional.empty();
    if (kept.isPresent() || spec.isEmpty()) {
      return kept;
    }
    Served.Document made = spack.image(repository.instance(), spec.get());
    keep(repository, made, spec.get().hash());
    return Optional.of(made);
  }

  /** Clients that resolve a tag ask for the digest next. */
  private void keep(Repository repository, Served.Document made, DagHash hash) throws IOException {
    repositories.add(repository.instance(), made.bytes());
    if (tables.manifest(repository.name(), made.digest()).isEmpty()) {
      Kept row = new Kept(made.digest(), made.mediaType(), ImmutableList.of(), hash.text());
      tables.put(repository.name(), row, Optional.empty(), Optional.empty());
    }
  }

  /**
   * A manifest by its digest.
   *
   * @param immutable whether it was asked for by a name that always means these bytes
   */
  Optional<Served.Document> manifest(Repository repository, Digest digest, boolean immutable)
      throws IOException {
    Optional<Kept> kept =
        tables.manifest(repository.name(), digest).filter(k -> isShown(repository, k));
    if (kept.isEmpty()) {
      return Optional.empty();
    }
    try {
      byte[] bytes = blobs.readAll(Scope.farm(repository.instance()), kept.get().digest());
      return Optional.of(
          new Served.Document(kept.get().digest(), bytes, kept.get().mediaType(), immutable));
    } catch (BlobNotFoundException e) {
      log.debug("a manifest that was made from the mirror was evicted", e);
      return Optional.empty();
    }
  }

  private boolean isShown(Repository repository, Kept kept) {
    return kept.spec().isEmpty()
        || mirror.find(repository.instance(), new DagHash(kept.spec())).isPresent();
  }

  /**
   * Keeps a manifest.
   *
   * @param reference tag or digest
   * @param contentType of the request, without parameters
   * @return its digest
   */
  Stored put(Repository repository, String reference, String contentType, byte[] text)
      throws OciException, IOException {
    Digest digest = Digest.of(text);
    boolean byDigest = reference.contains(":");
    if (byDigest && !OciPath.requireDigest(reference).hex().equals(digest.hex())) {
      throw OciException.invalid(
          Code.DIGEST_INVALID, "the manifest does not have the digest that it is put under");
    }
    Optional<String> tag = byDigest ? Optional.empty() : Optional.of(OciPath.requireTag(reference));
    ImageManifest manifest = ImageManifest.parse(text, contentType);
    if (tag.equals(Optional.of(SpackImages.INDEX_TAG))) {
      return new Stored(digest, Optional.empty()); // the farm has its own
    }
    requireParts(repository, manifest);
    String spec =
        tag.isPresent() && SpackImages.isReserved(tag.get())
            ? spack.take(repository.instance(), tag.get(), manifest).text()
            : "";
    Lock lock = writing.get(repository.name() + digest.hex());
    lock.lock();
    try {
      Optional<Kept> before = tables.manifest(repository.name(), digest);
      Kept kept = pinned(repository, manifest, text, spec, before);
      tables.put(repository.name(), kept, tag, manifest.subject().map(Descriptor::digest));
    } finally {
      lock.unlock();
    }
    log.info(
        "image put repository={} reference={} digest={}", repository.name(), reference, digest);
    return new Stored(digest, manifest.subject());
  }

  /**
   * @param subject what the manifest is about, if it says so
   */
  record Stored(Digest digest, Optional<Descriptor> subject) {}

  private void requireParts(Repository repository, ImageManifest manifest)
      throws OciException, IOException {
    Set<Descriptor> parts = new LinkedHashSet<>(manifest.ownLayers());
    if (manifest.config() != null) {
      parts.add(manifest.config());
    }
    for (Descriptor part : parts) {
      require(part, repositories.find(repository.instance(), part.digest()).map(Served::digest));
    }
    for (Descriptor part : manifest.manifests()) {
      require(part, manifest(repository, part.digest(), true).map(Served::digest));
    }
  }

  private static void require(Descriptor part, Optional<Digest> there) throws OciException {
    if (there.isEmpty()) {
      throw OciException.invalid(
          Code.MANIFEST_BLOB_UNKNOWN,
          "the manifest names " + OciPath.text(part.digest()) + ", which is not here");
    }
    if (!there.get().equals(part.digest())) {
      throw OciException.invalid(
          Code.MANIFEST_INVALID,
          "the manifest gives %s %d bytes, it has %d"
              .formatted(
                  OciPath.text(part.digest()), part.digest().sizeBytes(), there.get().sizeBytes()));
    }
  }

  /**
   * Pins what the manifest names, once: what a mirror publishes is pinned by the mirror, and pruned
   * by it.
   */
  private Kept pinned(
      Repository repository,
      ImageManifest manifest,
      byte[] text,
      String spec,
      Optional<Kept> before)
      throws OciException, IOException {
    Digest digest = repositories.add(repository.instance(), text);
    boolean isSpecs = !spec.isEmpty() && before.map(b -> !b.spec().isEmpty()).orElse(true);
    Set<Digest> needed = new LinkedHashSet<>(List.of(digest));
    if (manifest.config() != null) {
      needed.add(manifest.config().digest());
    }
    for (Descriptor layer : manifest.ownLayers()) {
      if (!isSpecs || !repositories.isMirrors(repository.instance(), layer.digest())) {
        needed.add(layer.digest());
      }
    }
    needed.remove(Digest.EMPTY);
    List<Digest> pinned = before.map(b -> (List<Digest>) b.pinned()).orElse(List.of());
    needed.removeAll(pinned);
    try {
      blobs.pin(Scope.farm(repository.instance()), needed);
    } catch (BlobNotFoundException e) {
      throw OciException.invalid(
          Code.MANIFEST_BLOB_UNKNOWN, "the store no longer holds " + e.getMessage());
    }
    return new Kept(
        digest,
        manifest.mediaType(),
        ImmutableList.<Digest>builder().addAll(pinned).addAll(needed).build(),
        isSpecs ? spec : "");
  }

  /**
   * An index of the manifests whose subject this is.
   *
   * @param type of artifact that is wanted; empty for all
   */
  Served.Document referrers(Repository repository, Digest subject, Optional<String> type)
      throws IOException {
    ObjectNode index = ImageManifest.JSON.createObjectNode();
    index.put("schemaVersion", 2);
    index.put("mediaType", ImageManifest.OCI_INDEX);
    ArrayNode all = index.putArray("manifests");
    for (Digest name : tables.referrers(repository.name(), subject)) {
      Optional<Served.Document> found = manifest(repository, name, true);
      if (found.isPresent()) {
        JsonNode manifest = ImageManifest.JSON.readTree(found.get().bytes());
        String artifact = artifactType(manifest);
        if (type.isEmpty() || type.get().equals(artifact)) {
          all.add(descriptor(found.get(), manifest, artifact));
        }
      }
    }
    byte[] bytes = ImageManifest.JSON.writeValueAsBytes(index);
    return new Served.Document(Digest.of(bytes), bytes, ImageManifest.OCI_INDEX, false);
  }

  /** An image without one is of its configuration's type; an index may have none, which is "". */
  private static String artifactType(JsonNode manifest) {
    String own = manifest.path("artifactType").asText();
    return own.isEmpty() ? manifest.path("config").path("mediaType").asText() : own;
  }

  private static ObjectNode descriptor(Served.Document of, JsonNode manifest, String artifactType) {
    ObjectNode descriptor = ImageManifest.JSON.createObjectNode();
    descriptor.put("mediaType", of.mediaType());
    descriptor.put("digest", OciPath.text(of.digest()));
    descriptor.put("size", of.digest().sizeBytes());
    if (!artifactType.isEmpty()) {
      descriptor.put("artifactType", artifactType);
    }
    if (manifest.path("annotations").isObject()) {
      descriptor.set("annotations", manifest.path("annotations"));
    }
    return descriptor;
  }

  /** Lets go of images whose specs the mirrors have no more. */
  void sweep(Repository.Names names) throws IOException {
    for (Placed placed : tables.manifests()) {
      Optional<Repository> repository = names.find(placed.repository());
      if (repository.isPresent() && !isShown(repository.get(), placed.kept())) {
        tables.remove(placed);
        for (Digest digest : placed.kept().pinned()) {
          try {
            blobs.unpin(Scope.farm(repository.get().instance()), List.of(digest));
          } catch (BlobNotFoundException e) {
            log.debug("its pin went with the blob", e);
          }
        }
        log.info(
            "image removed with its spec repository={} spec={}",
            placed.repository(),
            placed.kept().spec());
      }
    }
  }
}
