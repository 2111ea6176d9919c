package build.thresher.cas.mirror;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;

/**
 * Nodes of specfile version 4 (Spack before 1.0) as they stand in an index of version 8. They keep
 * their hash, which was computed over the old text; the compiler, which is no dependency there,
 * becomes an annotation. This is what Spack itself writes when it indexes a migrated mirror.
 */
final class LegacyNodes {
  static final int VERSION = 4;

  private static final ObjectMapper JSON = new ObjectMapper();

  private LegacyNodes() {}

  /** The node's text for an index. */
  static byte[] forIndex(byte[] node) throws IOException {
    try {
      ObjectNode old = (ObjectNode) JSON.readTree(node);
      JsonNode compiler = old.remove("compiler");
      JsonNode hash = old.remove("hash");
      ObjectNode annotations = old.putObject("annotations");
      annotations.put("original_specfile_version", VERSION);
      if (compiler != null) {
        annotations.put(
            "compiler", compiler.path("name").asText() + "@=" + compiler.path("version").asText());
      }
      old.set("hash", hash);
      return JSON.writeValueAsBytes(old);
    } catch (JsonProcessingException | ClassCastException e) {
      throw new IOException("a node that was read once cannot be read again", e);
    }
  }
}
