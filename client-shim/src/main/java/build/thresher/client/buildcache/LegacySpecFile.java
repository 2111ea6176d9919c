package build.thresher.client.buildcache;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;

/**
 * What says where a spec file of layout v2 has its archive. Most of such a file are the nodes that
 * the first one needs, and those are passed over.
 *
 * @param root the first node; missing where there is none
 * @param checksum of its archive; missing where there is none
 */
record LegacySpecFile(JsonNode root, JsonNode checksum) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Reads it out of its clear-signed form too, where it has one. Nothing is verified. */
  static LegacySpecFile read(byte[] text, String path) throws IOException {
    try (JsonParser parser = JSON.createParser(Mirror.unsigned(text, path))) {
      parser.nextToken();
      JsonNode root = MissingNode.getInstance();
      JsonNode checksum = root;
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        parser.nextToken();
        switch (name) {
          case "spec" -> root = firstNode(parser);
          case "binary_cache_checksum" -> checksum = parser.readValueAsTree();
          default -> parser.skipChildren();
        }
      }
      return new LegacySpecFile(root, checksum);
    } catch (JsonProcessingException e) {
      throw new IOException(path + " is no JSON text: " + e.getOriginalMessage(), e);
    }
  }

  /** Of {@code spec.nodes}; the parser stands at the end of {@code spec} then. */
  private static JsonNode firstNode(JsonParser parser) throws IOException {
    JsonNode first = MissingNode.getInstance();
    if (parser.currentToken() != JsonToken.START_OBJECT) {
      parser.skipChildren();
      return first;
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean nodes = parser.currentName().equals("nodes");
      if (parser.nextToken() != JsonToken.START_ARRAY || !nodes) {
        parser.skipChildren();
        continue;
      }
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        if (first.isMissingNode()) {
          first = parser.readValueAsTree();
        } else {
          parser.skipChildren();
        }
      }
    }
    return first;
  }
}
