package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import java.util.List;
import java.util.stream.Collectors;

/** A version 3 manifest: the blobs that belong to one thing of the mirror. */
record Manifest(List<Part> data) {

  /**
   * @param compression "gzip" or "none"
   */
  record Part(Digest digest, String mediaType, String compression) {}

  static Manifest of(Digest digest, String mediaType) {
    return new Manifest(List.of(new Part(digest, mediaType, "none")));
  }

  /**
   * The JSON text, members on lines of their own as Spack writes them. Nothing in it needs escaping
   * in JSON or in a clear-signed message: media types come from fixed sets.
   */
  String json() {
    return data.stream()
        .map(
            p ->
                "{\n\"contentLength\":%d,\n\"mediaType\":\"%s\",\n\"compression\":\"%s\",\n\"checksumAlgorithm\":\"sha256\",\n\"checksum\":\"%s\"\n}"
                    .formatted(
                        p.digest().sizeBytes(), p.mediaType(), p.compression(), p.digest().hex()))
        .collect(Collectors.joining(",\n", "{\n\"version\":3,\n\"data\":[\n", "\n]\n}"));
  }
}
