package build.thresher.executor.inputs;

import build.thresher.cas.api.Digest;
import java.util.List;
import java.util.Optional;

/**
 * Something that Spack fetches before it builds.
 *
 * @param sha256 of the bytes as fetched, lower-case hexadecimal; "" for a git version until the
 *     farm has made its archive
 * @param urls where Spack would look, in its order
 * @param mirrorPath below a source mirror
 * @param name a readable path there; "" for none
 * @param digest set when the store is known to hold the bytes
 * @param git set for what comes from a repository
 * @param unsupported why it cannot be had; "" when it can
 */
public record SourceFile(
    String sha256,
    List<String> urls,
    String mirrorPath,
    String name,
    Optional<Digest> digest,
    Optional<GitVersion> git,
    String unsupported) {
  public SourceFile {
    urls = List.copyOf(urls);
    if (unsupported.isEmpty()) {
      if (git.isEmpty() || !sha256.isEmpty()) {
        Digest.parse(sha256, 0);
      }
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

  /** The same, known to be this blob. */
  SourceFile as(Digest made) {
    return new SourceFile(
        made.hex(), urls, mirrorPath, name, Optional.of(made), Optional.empty(), unsupported);
  }
}
