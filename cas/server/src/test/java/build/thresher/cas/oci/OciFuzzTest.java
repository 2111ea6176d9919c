package build.thresher.cas.oci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.oci.ImageManifest.Descriptor;
import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** What a registry's client asks for, and what it brings. */
class OciFuzzTest extends HostileBytes {

  @Hostile
  void aPathIsRefusedOrWrittenBackAsItWas(byte[] bytes) throws Exception {
    String path = new String(bytes, StandardCharsets.ISO_8859_1);
    try {
      String again = written(OciPath.parse(path));
      // A slash at the end of these two says nothing.
      assertTrue(path.equals(again) || (path + "/").equals(again), again);
    } catch (OciException e) {
      assertTrue(List.of(400, 404).contains(e.status()), e.json());
    }
  }

  private static String written(OciPath path) throws OciException {
    return switch (path) {
      case OciPath.Ping p -> "/v2/";
      case OciPath.Tags t -> below(t.repository(), "tags/list");
      case OciPath.Manifest m -> below(m.repository(), "manifests/" + plain(m.reference()));
      case OciPath.Blob b -> below(b.repository(), "blobs/" + plain(b.digest()));
      case OciPath.Uploads u -> below(u.repository(), "blobs/uploads/");
      case OciPath.Upload u -> below(u.repository(), "blobs/uploads/" + plain(u.id()));
      case OciPath.Referrers r -> below(r.repository(), "referrers/" + plain(r.digest()));
    };
  }

  private static String below(String repository, String rest) throws OciException {
    return "/v2/" + OciPath.requireName(repository) + "/" + rest;
  }

  private static String plain(String part) {
    assertEquals(-1, part.indexOf('/'), part);
    return part;
  }

  @Hostile
  void aManifestIsRefusedOrSaysTheSameWrittenAgain(byte[] text) throws Exception {
    for (String type : List.of(ImageManifest.OCI_IMAGE, ImageManifest.OCI_INDEX)) {
      ImageManifest read;
      try {
        read = ImageManifest.parse(text, type);
      } catch (OciException e) {
        assertEquals(400, e.status(), e.json());
        continue;
      }
      assertEquals(read, ImageManifest.parse(written(read), type));
      assertTrue(read.layers().containsAll(read.ownLayers()));
    }
  }

  private static byte[] written(ImageManifest manifest) throws Exception {
    ObjectNode node = ImageManifest.JSON.createObjectNode();
    node.put("schemaVersion", 2);
    node.put("mediaType", manifest.mediaType());
    manifest.subject().ifPresent(subject -> put(node.putObject("subject"), subject));
    if (manifest.config() == null) {
      var all = node.putArray("manifests");
      manifest.manifests().forEach(each -> put(all.addObject(), each));
    } else {
      put(node.putObject("config"), manifest.config());
      var all = node.putArray("layers");
      manifest.layers().forEach(each -> put(all.addObject(), each));
    }
    return ImageManifest.JSON.writeValueAsBytes(node);
  }

  private static void put(ObjectNode node, Descriptor descriptor) {
    node.put("mediaType", descriptor.mediaType());
    node.put("digest", OciPath.text(descriptor.digest()));
    node.put("size", descriptor.digest().sizeBytes());
  }
}
