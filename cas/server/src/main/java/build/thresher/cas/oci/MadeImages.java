package build.thresher.cas.oci;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.zip.GZIPInputStream;

/**
 * Makes images of specs that were built here or came in by another door, as Spack would push them:
 * one layer for each archive of the link and run closure, the spec's own last. The same mirror
 * gives the same image. It has no base image, and of the environment only {@code PATH}.
 *
 * <p>An archive is read once, ever, for the checksum of what is inside.
 */
final class MadeImages {
  private static final String LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
  private static final String CONFIG = "application/vnd.oci.image.config.v1+json";

  private final RocksSpackMirror mirror;
  private final BlobStore blobs;
  private final Repositories repositories;

  MadeImages(RocksSpackMirror mirror, BlobStore blobs, Repositories repositories) {
    this.mirror = mirror;
    this.blobs = blobs;
    this.repositories = repositories;
  }

  /** The manifest; what it names can be read from the instance. */
  Served.Document image(String instance, PublishedSpec spec) throws IOException {
    SpecDocument document = document(instance, spec);
    SpecNode root = document.node(spec.hash());
    List<PublishedSpec> layers = new ArrayList<>();
    for (DagHash hash : closure(document, root)) {
      mirror.find(instance, hash).ifPresent(layers::add);
    }
    Digest config = repositories.add(instance, config(instance, document, root, spec, layers));
    ObjectNode manifest = manifest(config);
    for (PublishedSpec layer : layers) {
      addLayer(manifest, layer.archive());
    }
    manifest.putObject("annotations").put("org.opencontainers.image.description", root.display());
    return served(manifest);
  }

  /** The manifest of an image whose only layer is an index. */
  Served.Document ofIndex(String instance, Digest index) throws IOException {
    byte[] empty = "{}".getBytes(StandardCharsets.US_ASCII);
    ObjectNode manifest = manifest(repositories.add(instance, empty));
    addLayer(manifest, index);
    return served(manifest);
  }

  private static ObjectNode manifest(Digest config) {
    ObjectNode manifest = ImageManifest.JSON.createObjectNode();
    manifest.put("mediaType", ImageManifest.OCI_IMAGE);
    manifest.put("schemaVersion", 2);
    describe(manifest.putObject("config"), CONFIG, config);
    manifest.putArray("layers");
    return manifest;
  }

  private static void addLayer(ObjectNode manifest, Digest layer) {
    describe(manifest.withArray("layers").addObject(), LAYER, layer);
  }

  private static void describe(ObjectNode descriptor, String mediaType, Digest digest) {
    descriptor.put("mediaType", mediaType);
    descriptor.put("digest", OciPath.text(digest));
    descriptor.put("size", digest.sizeBytes());
  }

  private static Served.Document served(ObjectNode manifest) throws IOException {
    byte[] bytes = ImageManifest.JSON.writeValueAsBytes(manifest);
    return new Served.Document(Digest.of(bytes), bytes, ImageManifest.OCI_IMAGE, false);
  }

  /** The link and run closure, dependencies first, the root last. */
  private static Set<DagHash> closure(SpecDocument document, SpecNode root) {
    Set<DagHash> needed = new LinkedHashSet<>();
    for (SpecNode node : document.nodes().values().asList().reverse()) {
      if (node.hash().equals(root.hash()) || needed.contains(node.hash())) {
        needed.add(node.hash());
        node.dependencies().stream()
            .filter(SpecDependency::isLinkOrRun)
            .forEach(d -> needed.add(d.hash()));
      }
    }
    Set<DagHash> ordered = new LinkedHashSet<>(document.nodes().keySet());
    ordered.retainAll(needed);
    return ordered;
  }

  private SpecDocument document(String instance, PublishedSpec spec) throws IOException {
    try (InputStream in =
        new GZIPInputStream(
            blobs.read(Scope.farm(instance), spec.spec(), 0, Long.MAX_VALUE), 1 << 16)) {
      return SpecDocument.parse(in.readNBytes(SpecDocument.MAX_BYTES));
    } catch (SpecFormatException e) {
      throw new IOException("the published spec " + spec.spec() + " cannot be read", e);
    }
  }

  /** Spack takes the config for the spec's own document; its text stays as Spack wrote it. */
  private byte[] config(
      String instance,
      SpecDocument document,
      SpecNode root,
      PublishedSpec spec,
      List<PublishedSpec> layers)
      throws IOException {
    ObjectNode config = ImageManifest.JSON.createObjectNode();
    config.put("architecture", Architectures.of(root));
    config.put("os", "linux");
    ArrayNode contents = config.putObject("rootfs").put("type", "layers").putArray("diff_ids");
    StringBuilder path = new StringBuilder("PATH=");
    for (PublishedSpec layer : layers.reversed()) {
      path.append(layer.prefix()).append("/bin:");
    }
    for (PublishedSpec layer : layers) {
      contents.add(OciPath.text(repositories.unpacked(instance, layer.archive())));
    }
    config.putObject("config").putArray("Env").add(path + "/bin:/usr/bin");
    config.put("buildcache_layout_version", layoutVersion(instance, spec.archive()));
    config
        .putObject("binary_cache_checksum")
        .put("hash_algorithm", "sha256")
        .put("hash", spec.archive().hex());
    config.put("archive_size", spec.archive().sizeBytes());
    config.put("archive_compression", "gzip");
    byte[] members = ImageManifest.JSON.writeValueAsBytes(config);
    byte[] text = document.subDocument(root.hash(), document.nodes().keySet());
    byte[] joined = new byte[members.length + text.length - 1];
    System.arraycopy(members, 0, joined, 0, members.length - 1);
    joined[members.length - 1] = ',';
    System.arraycopy(text, 1, joined, members.length, text.length - 1);
    return joined;
  }

  private int layoutVersion(String instance, Digest archive) throws IOException {
    Optional<Served> served = mirror.get(instance, Repositories.mirrorPath(archive));
    return served.isPresent() && served.get().mediaType().contains(".install.v1.") ? 1 : 2;
  }
}
