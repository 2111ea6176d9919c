package build.thresher.cas.s3;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.mirror.BadSignatureException;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.PushedSpecs.Taken;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An instance's mirror as a bucket. A blob that is put is a blob of the store; a spec manifest that
 * is put is verified and published, or refused; index and keys that are put are not kept, because
 * the farm has its own.
 */
final class Bucket {
  private static final Logger log = LoggerFactory.getLogger(Bucket.class);
  private static final Pattern BLOB =
      Pattern.compile("blobs/sha256/([0-9a-f]{2})/(\\1[0-9a-f]{62})");
  private static final Pattern SPEC_MANIFEST =
      Pattern.compile("v3/manifests/spec/[^/]+/[^/]+-([a-z2-7]{32})\\.spec\\.manifest\\.json");
  private static final Pattern NOT_KEPT =
      Pattern.compile("v3/layout\\.json|v3/manifests/(?:index|key)/.+\\.manifest\\.json");
  private static final int MAX_MANIFEST_BYTES = 1 << 20;
  private static final int CHUNK_BYTES = 256 << 10;

  private final String instance;
  private final RocksSpackMirror mirror;
  private final PushedSpecs pushed;
  private final BlobStore blobs;

  Bucket(String instance, RocksSpackMirror mirror, PushedSpecs pushed, BlobStore blobs) {
    this.instance = instance;
    this.mirror = mirror;
    this.pushed = pushed;
    this.blobs = blobs;
  }

  /** The object, if there is one. */
  Optional<Served> get(String key) throws IOException {
    return mirror.get(instance, key);
  }

  InputStream read(Digest digest) throws IOException {
    return blobs.read(Scope.farm(instance), digest, 0, Long.MAX_VALUE);
  }

  /** Keys of all specs; what they name is not listed, as nothing needs it. */
  NavigableSet<String> keys() {
    return mirror.specManifests(instance);
  }

  /**
   * Stores an object.
   *
   * @param length of the body in bytes
   */
  void put(String key, InputStream body, long length) throws IOException, S3Exception {
    Matcher blob = BLOB.matcher(key);
    if (blob.matches()) {
      putBlob(Digest.parse(blob.group(2), length), body);
      return;
    }
    Matcher spec = SPEC_MANIFEST.matcher(key);
    if (spec.matches()) {
      publish(spec.group(1), new String(small(body, length), StandardCharsets.UTF_8));
    } else if (!NOT_KEPT.matcher(key).matches()) {
      throw S3Exception.denied(
          "the key `" + key + "` has no place in a mirror of layout v3; nothing else is kept here");
    }
  }

  private void putBlob(Digest digest, InputStream body) throws IOException, S3Exception {
    try (BlobWriter writer = blobs.write(Scope.farm(instance), digest)) {
      byte[] chunk = new byte[CHUNK_BYTES];
      while (writer.position() < digest.sizeBytes()) {
        int wanted = (int) Math.min(chunk.length, digest.sizeBytes() - writer.position());
        int n = body.read(chunk, 0, wanted);
        if (n < 0) {
          throw new S3Exception(400, "IncompleteBody", "the body is shorter than its length");
        }
        writer.write(ByteBuffer.wrap(chunk, 0, n));
      }
      writer.commit();
    } catch (DigestMismatchException e) {
      throw new S3Exception(400, "BadDigest", "the body does not have the sha256 of its key");
    }
  }

  private static byte[] small(InputStream body, long length) throws IOException, S3Exception {
    if (length > MAX_MANIFEST_BYTES) {
      throw new S3Exception(
          400, "EntityTooLarge", "a manifest has at most " + MAX_MANIFEST_BYTES + " bytes");
    }
    byte[] bytes = body.readNBytes((int) length + 1); // to the end, where its checksum is compared
    if (bytes.length != length) {
      throw new S3Exception(400, "IncompleteBody", "the body does not have its length");
    }
    return bytes;
  }

  private void publish(String hash, String manifest) throws IOException, S3Exception {
    try {
      Taken taken = pushed.take(instance, new ManifestText(manifest, hash), "s3");
      switch (taken.outcome()) {
        case PUBLISHED, IDENTICAL -> log.debug("pushed hash={} instance={}", hash, instance);
        case DIFFERENT ->
            throw new S3Exception(
                412,
                "PreconditionFailed",
                "the instance has another archive for " + hash + ", and keeps it");
      }
    } catch (BadSignatureException e) {
      throw S3Exception.denied(String.valueOf(e.getMessage()));
    } catch (ArchiveRefusedException e) {
      throw S3Exception.invalid(String.valueOf(e.getMessage()));
    }
  }
}
