package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Printable;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** Reads what other mirrors say of their specs. Strict: what Spack does not write is refused. */
final class IncomingText {
  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** Of a value that others follow. */
  private static final ObjectReader PART =
      JSON.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private static final int MAX_SHOWN = 200;
  private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

  private IncomingText() {}

  /** The archive and the spec of a layout v3 manifest. */
  record SpecManifest(Manifest.Part archive, Manifest.Part spec) {
    static SpecManifest parse(String text) throws ArchiveRefusedException {
      JsonNode root = read(text);
      requireThat(root.path("version").asInt() == 3, "the manifest is not of version 3");
      List<Manifest.Part> archives = new ArrayList<>();
      List<Manifest.Part> specs = new ArrayList<>();
      for (JsonNode entry : root.path("data")) {
        Manifest.Part part = part(entry);
        if (MediaTypes.ARCHIVES.contains(part.mediaType())) {
          archives.add(part);
        } else if (MediaTypes.SPECS.contains(part.mediaType())) {
          specs.add(part);
        } else {
          throw new ArchiveRefusedException(
              "the manifest names a blob of the media type `%s`, which no spec has"
                  .formatted(Printable.of(part.mediaType(), MAX_SHOWN)));
        }
      }
      requireThat(
          archives.size() == 1 && specs.size() == 1,
          "the manifest does not name one archive and one spec");
      return new SpecManifest(archives.getFirst(), specs.getFirst());
    }

    private static Manifest.Part part(JsonNode entry) throws ArchiveRefusedException {
      String checksum = entry.path("checksum").asText();
      long length = entry.path("contentLength").asLong(-1);
      requireThat(
          entry.path("checksumAlgorithm").asText().equals("sha256")
              && SHA256.matcher(checksum).matches()
              && length > 0
              && Set.of("gzip", "none").contains(entry.path("compression").asText()),
          "the manifest has an entry without a usable length, checksum or compression");
      return new Manifest.Part(
          Digest.parse(checksum, length),
          entry.path("mediaType").asText(),
          entry.path("compression").asText());
    }
  }

  /**
   * The checksum of the archive that a spec file of layout v2 vouches for, in lower-case
   * hexadecimal digits.
   */
  static String archiveChecksum(String specFile) throws ArchiveRefusedException {
    JsonNode checksum = member(specFile, "binary_cache_checksum");
    String hash = checksum.path("hash").asText();
    requireThat(
        checksum.path("hash_algorithm").asText().equals("sha256") && SHA256.matcher(hash).matches(),
        "the spec file has no sha256 checksum of its archive");
    return hash;
  }

  private static JsonNode read(String text) throws ArchiveRefusedException {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw noJson(e);
    }
  }

  /** One member of an object, whose others may be large; missing where there is none. */
  private static JsonNode member(String text, String name) throws ArchiveRefusedException {
    JsonNode found = MissingNode.getInstance();
    try (JsonParser parser = JSON.createParser(text)) {
      boolean isObject = parser.nextToken() == JsonToken.START_OBJECT;
      while (isObject && parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean wanted = parser.currentName().equals(name);
        parser.nextToken();
        if (wanted) {
          found = PART.readTree(parser);
        } else {
          parser.skipChildren();
        }
      }
      requireThat(
          isObject && parser.nextToken() == null, "the spec file is not one object of JSON");
      return found;
    } catch (JsonProcessingException e) {
      throw noJson(e);
    } catch (IOException e) {
      throw new AssertionError("a text is read without input", e);
    }
  }

  private static ArchiveRefusedException noJson(JsonProcessingException e) {
    return new ArchiveRefusedException(
        "the manifest or spec file is no JSON text: "
            + Printable.of(e.getOriginalMessage(), MAX_SHOWN));
  }

  private static void requireThat(boolean holds, String otherwise) throws ArchiveRefusedException {
    if (!holds) {
      throw new ArchiveRefusedException(otherwise);
    }
  }
}
