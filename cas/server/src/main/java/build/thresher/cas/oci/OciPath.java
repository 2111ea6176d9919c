package build.thresher.cas.oci;

import build.thresher.cas.api.Digest;
import build.thresher.cas.oci.OciException.Code;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A path below {@code /v2}, parsed. No file path is ever made from its text. */
sealed interface OciPath {

  /** {@code /v2/}. */
  record Ping() implements OciPath {}

  /** {@code /v2/<name>/tags/list}. */
  record Tags(String repository) implements OciPath {}

  /**
   * {@code /v2/<name>/manifests/<tag or digest>}.
   *
   * @param reference a tag or {@code sha256:…}; neither has been looked at
   */
  record Manifest(String repository, String reference) implements OciPath {}

  /** {@code /v2/<name>/blobs/<digest>}. */
  record Blob(String repository, String digest) implements OciPath {}

  /** {@code /v2/<name>/blobs/uploads/}. */
  record Uploads(String repository) implements OciPath {}

  /** {@code /v2/<name>/blobs/uploads/<id>}. */
  record Upload(String repository, String id) implements OciPath {}

  /** {@code /v2/<name>/referrers/<digest>}. */
  record Referrers(String repository, String digest) implements OciPath {}

  Pattern PATH =
      Pattern.compile(
          "/v2/(?<name>.{1,300}?)/(?:(?<tags>tags/list)|(?<uploads>blobs/uploads/?)"
              + "|blobs/uploads/(?<upload>[^/]+)|blobs/(?<blob>[^/]+)"
              + "|manifests/(?<manifest>[^/]+)|referrers/(?<referrers>[^/]+))");
  Pattern COMPONENT = Pattern.compile("[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*");
  Pattern TAG = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,127}");
  Pattern SHA256 = Pattern.compile("sha256:([0-9a-f]{64})");
  int MAX_NAME_LENGTH = 255;

  /**
   * @param path decoded
   */
  static OciPath parse(String path) throws OciException {
    if (path.equals("/v2") || path.equals("/v2/")) {
      return new Ping();
    }
    Matcher m = PATH.matcher(path);
    if (!m.matches()) {
      throw OciException.unknown(Code.UNSUPPORTED, "the farm's registry has no such address");
    }
    String name = requireName(m.group("name"));
    if (m.group("tags") != null) {
      return new Tags(name);
    }
    if (m.group("uploads") != null) {
      return new Uploads(name);
    }
    if (m.group("upload") != null) {
      return new Upload(name, m.group("upload"));
    }
    if (m.group("blob") != null) {
      return new Blob(name, m.group("blob"));
    }
    return m.group("manifest") != null
        ? new Manifest(name, m.group("manifest"))
        : new Referrers(name, m.group("referrers"));
  }

  static String requireName(String name) throws OciException {
    boolean valid = name.length() <= MAX_NAME_LENGTH;
    for (String component : name.split("/", -1)) {
      valid &= COMPONENT.matcher(component).matches();
    }
    if (!valid) {
      throw OciException.invalid(
          Code.NAME_INVALID,
          "a repository's name is lower-case letters and digits, with single `.`, `_`, `-` between, in components"
              + " between slashes");
    }
    return name;
  }

  static String requireTag(String tag) throws OciException {
    if (!TAG.matcher(tag).matches()) {
      throw OciException.invalid(
          Code.MANIFEST_INVALID,
          "a tag is up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two");
    }
    return tag;
  }

  /** Parses {@code sha256:<hex>} into a digest of unknown size, which is 0. */
  static Digest requireDigest(String text) throws OciException {
    Matcher m = SHA256.matcher(text);
    if (!m.matches()) {
      throw OciException.invalid(
          Code.DIGEST_INVALID, "a digest is `sha256:` and 64 lower-case hexadecimal digits");
    }
    return Digest.parse(m.group(1), 0);
  }

  /** {@code sha256:<hex>}. */
  static String text(Digest digest) {
    return "sha256:" + digest.hex();
  }
}
