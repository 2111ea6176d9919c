package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.DagHash;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A path of layout v3, parsed. Text that is none of these names nothing; no file path is ever made
 * from it.
 */
sealed interface MirrorPath {

  /** {@code v3/layout.json}. */
  record Layout() implements MirrorPath {}

  /**
   * {@code v3/manifests/spec/<name>/<name>-<version>-<hash>.spec.manifest.json}.
   *
   * @param path the whole text, to be compared with the one path of that hash
   */
  record SpecManifest(DagHash hash, String path) implements MirrorPath {}

  /** {@code v3/manifests/key/<fingerprint>.key.manifest.json}. */
  record KeyManifest(String fingerprint) implements MirrorPath {}

  /** {@code v3/manifests/key/keys.manifest.json}. */
  record KeyIndexManifest() implements MirrorPath {}

  /** {@code v3/manifests/index/index.manifest.json}. */
  record IndexManifest() implements MirrorPath {}

  /** {@code v3/manifests/index/<view>/index.manifest.json}. */
  record ViewManifest(String view) implements MirrorPath {}

  /**
   * {@code blobs/sha256/<2>/<64>}.
   *
   * @param name digest of unknown size
   */
  record BlobPath(Digest name) implements MirrorPath {}

  Pattern SPEC =
      Pattern.compile(
          "v3/manifests/spec/[^/]{1,255}/[^/]{1,600}-([a-z2-7]{32})\\.spec\\.manifest\\.json");
  Pattern KEY = Pattern.compile("v3/manifests/key/([0-9A-F]{40})\\.key\\.manifest\\.json");
  Pattern VIEW =
      Pattern.compile(
          "v3/manifests/index/([A-Za-z0-9][A-Za-z0-9._-]{0,99})/index\\.manifest\\.json");
  Pattern BLOB = Pattern.compile("blobs/sha256/([0-9a-f]{2})/(\\1[0-9a-f]{62})");

  static Optional<MirrorPath> parse(String path) {
    switch (path) {
      case "v3/layout.json" -> {
        return Optional.of(new Layout());
      }
      case "v3/manifests/index/index.manifest.json" -> {
        return Optional.of(new IndexManifest());
      }
      case "v3/manifests/key/keys.manifest.json" -> {
        return Optional.of(new KeyIndexManifest());
      }
      default -> {
        return parsePattern(path);
      }
    }
  }

  private static Optional<MirrorPath> parsePattern(String path) {
    Matcher blob = BLOB.matcher(path);
    if (blob.matches()) {
      return Optional.of(new BlobPath(Digest.parse(blob.group(2), 0)));
    }
    Matcher spec = SPEC.matcher(path);
    if (spec.matches()) {
      return Optional.of(new SpecManifest(new DagHash(spec.group(1)), path));
    }
    Matcher view = VIEW.matcher(path);
    if (view.matches()) {
      return Optional.of(new ViewManifest(view.group(1)));
    }
    Matcher key = KEY.matcher(path);
    return key.matches() ? Optional.of(new KeyManifest(key.group(1))) : Optional.empty();
  }

  static String ofSpec(String name, String version, DagHash hash) {
    return "v3/manifests/spec/%s/%s-%s-%s.spec.manifest.json".formatted(name, name, version, hash);
  }
}
