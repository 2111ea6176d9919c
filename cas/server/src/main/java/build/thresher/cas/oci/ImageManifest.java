package build.thresher.cas.oci;

import build.thresher.cas.api.Digest;
import build.thresher.cas.oci.OciException.Code;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A manifest of the OCI Image Specification or of Docker, image or index. Strict: what is ambiguous
 * is refused.
 *
 * @param mediaType what it is served as
 * @param config of an image; null for an index
 * @param layers of an image, the lowest first
 * @param manifests of an index
 * @param subject what it is about, if it says so
 */
record ImageManifest(
    String mediaType,
    @Nullable Descriptor config,
    ImmutableList<Descriptor> layers,
    ImmutableList<Descriptor> manifests,
    Optional<Descriptor> subject) {

  static final String OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json";
  static final String OCI_INDEX = "application/vnd.oci.image.index.v1+json";
  static final ImmutableSet<String> IMAGES =
      ImmutableSet.of(OCI_IMAGE, "application/vnd.docker.distribution.manifest.v2+json");
  static final ImmutableSet<String> INDICES =
      ImmutableSet.of(OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json");
  static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private static final Pattern FOREIGN =
      Pattern.compile(
          "application/vnd\\.(?:oci\\.image\\.layer\\.nondistributable\\.|docker\\.image\\.rootfs\\.foreign\\.).*");

  private static final int MAX_PARTS = 10_000;

  /**
   * The layers that a registry has: those that may not be distributed lie elsewhere, where the
   * manifest says.
   */
  ImmutableList<Descriptor> ownLayers() {
    return layers.stream()
        .filter(layer -> !FOREIGN.matcher(layer.mediaType()).matches())
        .collect(ImmutableList.toImmutableList());
  }

  /** What names a blob or a manifest. */
  record Descriptor(String mediaType, Digest digest) {}

  /**
   * @param contentType of the request, without parameters
   */
  static ImageManifest parse(byte[] text, String contentType) throws OciException {
    if (!IMAGES.contains(contentType) && !INDICES.contains(contentType)) {
      throw invalid("the farm's registry keeps no manifests of the media type it was sent as");
    }
    JsonNode root = read(text);
    JsonNode version = root.path("schemaVersion");
    if (!version.isInt() || version.asInt() != 2) {
      throw invalid("the manifest's schemaVersion is not 2");
    }
    JsonNode own = root.path("mediaType");
    if (!own.isMissingNode() && !own.asText().equals(contentType)) {
      throw invalid("the manifest says of itself that it has another media type");
    }
    Optional<Descriptor> subject =
        root.has("subject") ? Optional.of(descriptor(root.path("subject"))) : Optional.empty();
    boolean isImage = IMAGES.contains(contentType);
    if (isImage ? root.has("manifests") : root.has("layers") || root.has("config")) {
      throw invalid("the manifest has members of an image and of an index");
    }
    return isImage
        ? new ImageManifest(
            contentType,
            descriptor(root.path("config")),
            descriptors(root.path("layers")),
            ImmutableList.of(),
            subject)
        : new ImageManifest(
            contentType, null, ImmutableList.of(), descriptors(root.path("manifests")), subject);
  }

  private static JsonNode read(byte[] text) throws OciException {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw invalid("the manifest is no JSON text");
    } catch (IOException e) {
      throw invalid("the manifest cannot be read");
    }
  }

  private static ImmutableList<Descriptor> descriptors(JsonNode list) throws OciException {
    if (!list.isArray() || list.size() > MAX_PARTS) {
      throw invalid("the manifest has no list of at most " + MAX_PARTS + " parts");
    }
    ImmutableList.Builder<Descriptor> all = ImmutableList.builder();
    for (JsonNode each : list) {
      all.add(descriptor(each));
    }
    return all.build();
  }

  private static Descriptor descriptor(JsonNode node) throws OciException {
    JsonNode size = node.path("size");
    if (!size.canConvertToLong() || size.asLong() < 0 || !size.isIntegralNumber()) {
      throw invalid("the manifest names a part without its size");
    }
    Digest digest = OciPath.requireDigest(node.path("digest").asText());
    return new Descriptor(
        node.path("mediaType").asText(), Digest.fromHash(digest.hashBytes(), size.asLong()));
  }

  private static OciException invalid(String message) {
    return OciException.invalid(Code.MANIFEST_INVALID, message);
  }
}
