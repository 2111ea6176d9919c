package build.thresher.executor.images;

import build.thresher.cas.api.Digest;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A manifest as registries give it, of OCI or of Docker: of one image, or the list of an image for
 * several platforms.
 */
sealed interface Manifest {
  int MAX_BYTES = 4 << 20;
  int MAX_LAYERS = 256;
  int MAX_PLATFORMS = 1000;
  ObjectMapper JSON = new ObjectMapper();

  /** What to ask registries for. */
  String ACCEPTED =
      "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json,"
          + " application/vnd.docker.distribution.manifest.list.v2+json,"
          + " application/vnd.docker.distribution.manifest.v2+json";

  /**
   * One image.
   *
   * @param layers as they are stored, the lowest first
   */
  record Image(List<Digest> layers) implements Manifest {}

  /** The manifests of an image by platform, such as {@code linux/amd64}. */
  record Platforms(List<Entry> entries) implements Manifest {
    /** The image for Linux on an architecture as Go names it. */
    Optional<Digest> of(String architecture) {
      return entries.stream()
          .filter(entry -> entry.platform().equals("linux/" + architecture))
          .map(Entry::manifest)
          .findFirst();
    }
  }

  /** One platform's image. */
  record Entry(String platform, Digest manifest) {}

  /**
   * @throws ImageException when it is no manifest, or one that cannot be used
   */
  static Manifest parse(byte[] bytes) throws ImageException {
    try {
      JsonNode root = JSON.readTree(bytes);
      if (root.path("manifests").isArray()) {
        return platforms(root.path("manifests"));
      }
      if (root.path("layers").isArray()) {
        return image(root.path("layers"));
      }
    } catch (IOException | IllegalArgumentException e) {
      throw new ImageException("the image's manifest is malformed: " + e.getMessage());
    }
    throw new ImageException(
        "the image's manifest has neither layers nor manifests; the first format of Docker's is not"
            + " supported");
  }

  private static Platforms platforms(JsonNode manifests) throws ImageException {
    if (manifests.size() > MAX_PLATFORMS) {
      throw new ImageException("the image's index has more than " + MAX_PLATFORMS + " entries");
    }
    List<Entry> entries = new ArrayList<>();
    for (JsonNode node : manifests) {
      JsonNode platform = node.path("platform");
      entries.add(
          new Entry(
              platform.path("os").asText() + "/" + platform.path("architecture").asText(),
              digest(node)));
    }
    return new Platforms(List.copyOf(entries));
  }

  private static Image image(JsonNode layers) throws ImageException {
    if (layers.size() > MAX_LAYERS) {
      throw new ImageException("the image has more than " + MAX_LAYERS + " layers");
    }
    List<Digest> digests = new ArrayList<>();
    for (JsonNode node : layers) {
      String type = node.path("mediaType").asText().toLowerCase(Locale.ROOT);
      if (!type.contains("tar") || type.contains("encrypted") || type.contains("foreign")) {
        throw new ImageException("the image has a layer of the unsupported type \"" + type + "\"");
      }
      digests.add(digest(node));
    }
    return new Image(List.copyOf(digests));
  }

  private static Digest digest(JsonNode node) throws ImageException {
    String text = node.path("digest").asText();
    if (!ImageName.DIGEST.matcher(text).matches() || !node.path("size").isIntegralNumber()) {
      throw new ImageException("the image's manifest names a blob by \"" + text + "\", not sha256");
    }
    return Digest.parse(text.substring("sha256:".length()), node.path("size").asLong());
  }
}
