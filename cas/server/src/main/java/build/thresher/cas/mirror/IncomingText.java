package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Printable;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
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
    JsonNode checksum = read(specFile).path("binary_cache_checksum");
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
      throw new ArchiveRefusedException(
          "the manifest or spec file is no JSON text: "
              + Printable.of(e.getOriginalMessage(), MAX_SHOWN));
    }
  }

  private static void requireThat(boolean holds, String otherwise) throws ArchiveRefusedException {
    if (!holds) {
      throw new ArchiveRefusedException(otherwise);
    }
  }
}
