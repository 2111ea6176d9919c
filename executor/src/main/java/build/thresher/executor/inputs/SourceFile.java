package build.thresher.executor.inputs;

import build.thresher.cas.api.Digest;
import java.util.List;
import java.util.Optional;

/**
 * Something that Spack fetches before it builds.
 *
 * @param sha256 of the bytes as fetched, lower-case hexadecimal
 * @param urls where Spack would look, in its order
 * @param mirrorPath below a source mirror
 * @param digest set when the store is known to hold the bytes
 * @param unsupported why it cannot be had; "" when it can
 */
public record SourceFile(
    String sha256,
    List<String> urls,
    String mirrorPath,
    Optional<Digest> digest,
    String unsupported) {
  public SourceFile {
    urls = List.copyOf(urls);
    if (unsupported.isEmpty()) {
      Digest.parse(sha256, 0);
      Names.relativePath(mirrorPath);
      if (digest.isPresent() && !digest.get().hex().equals(sha256)) {
        throw new IllegalArgumentException(
            "the source "
                + mirrorPath
                + " names two checksums: "
                + sha256
                + " and "
                + digest.get());
      }
    }
  }
}
