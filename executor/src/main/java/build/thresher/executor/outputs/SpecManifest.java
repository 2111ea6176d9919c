package build.thresher.executor.outputs;

import build.thresher.cas.api.Digest;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Reads the manifest that Spack writes for one pushed spec (mirror layout v3). Stateless. */
final class SpecManifest {
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(16).maxStringLength(4096).build())
          .build();

  private SpecManifest() {}

  /** One blob that the manifest names. */
  record Entry(Digest digest, String mediaType) {}

  /** The blobs in the manifest's order. */
  static List<Entry> parse(byte[] json) throws IOException {
    List<Entry> entries = new ArrayList<>();
    try (JsonParser parser = JSON.createParser(json)) {
      expect(parser.nextToken() == JsonToken.START_OBJECT);
      for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
        parser.nextToken();
        if (field.equals("data")) {
          expect(parser.currentToken() == JsonToken.START_ARRAY);
          while (parser.nextToken() == JsonToken.START_OBJECT) {
            entries.add(entry(parser));
          }
        } else {
          parser.skipChildren();
        }
      }
    } catch (com.fasterxml.jackson.core.JacksonException | IllegalArgumentException e) {
      throw new OutputException("the pushed manifest is malformed: " + e.getMessage());
    }
    return entries;
  }

  private static Entry entry(JsonParser parser) throws IOException {
    long length = -1;
    String mediaType = "";
    String algorithm = "";
    String checksum = "";
    for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
      parser.nextToken();
      switch (field) {
        case "contentLength" -> length = parser.getLongValue();
        case "mediaType" -> mediaType = parser.getText();
        case "checksumAlgorithm" -> algorithm = parser.getText();
        case "checksum" -> checksum = parser.getText();
        default -> parser.skipChildren();
      }
    }
    if (!algorithm.equals("sha256")) {
      throw new OutputException("the pushed manifest uses the checksum \"" + algorithm + "\"");
    }
    return new Entry(Digest.parse(checksum, length), mediaType);
  }

  private static void expect(boolean fits) throws OutputException {
    if (!fits) {
      throw new OutputException("the pushed manifest is malformed");
    }
  }
}
