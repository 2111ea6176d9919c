package build.thresher.cas.oci;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import build.thresher.cas.oci.OciException.Code;
import com.google.common.util.concurrent.Striped;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.Lock;
import java.util.zip.GZIPInputStream;

/**
 * The blobs that the repositories of an instance share: those that were brought through this door,
 * and those that the instance's mirror names. What other instances have is not there, though the
 * store holds it only once.
 *
 * <p>Threading: any thread; calls block.
 */
final class Repositories {
  private static final int CHUNK_BYTES = 256 << 10;

  /** For so long a blob waits for the manifest that names it. */
  private static final Duration UNNAMED = Duration.ofDays(1);

  private static final String BINARY = "application/octet-stream";

  private final ImageTables tables;
  private final RocksSpackMirror mirror;
  private final BlobStore blobs;
  private final InstantSource clock;
  private final Striped<Lock> unpacking = Striped.lock(64);

  Repositories(ImageTables tables, RocksSpackMirror mirror, BlobStore blobs, InstantSource clock) {
    this.tables = tables;
    this.mirror = mirror;
    this.blobs = blobs;
    this.clock = clock;
  }

  /** Where the mirror has a blob. */
  static String mirrorPath(Digest digest) {
    return "blobs/sha256/" + digest.hex().substring(0, 2) + "/" + digest.hex();
  }

  /**
   * A blob of the instance that the store holds.
   *
   * @param digest of any size
   */
  Optional<Served.StoredBlob> find(String instance, Digest digest) throws IOException {
    Optional<Digest> brought = tables.blob(instance, digest);
    Optional<Digest> known =
        brought.isPresent()
            ? brought
            : mirror.get(instance, mirrorPath(digest)).map(Served::digest);
    return known.isPresent() && blobs.contains(Scope.farm(instance), known.get())
        ? Optional.of(new Served.StoredBlob(known.get(), BINARY))
        : Optional.empty();
  }

  /** True for what the mirror holds on to by itself. */
  boolean isMirrors(String instance, Digest digest) throws IOException {
    return mirror.get(instance, mirrorPath(digest)).isPresent();
  }

  /** Stores what the farm made itself. */
  Digest add(String instance, byte[] bytes) throws IOException {
    Digest digest = Digest.of(bytes);
    if (find(instance, digest).isEmpty()) {
      blobs.put(Scope.farm(instance), bytes);
      add(instance, digest);
    }
    return digest;
  }

  /** A blob of another instance, whose caller may read it there. */
  void mount(String instance, Digest digest) throws IOException {
    add(instance, digest);
  }

  /**
   * Stores what a client sent.
   *
   * @param digest with the size that the body must have
   */
  void store(String instance, Digest digest, InputStream body) throws OciException, IOException {
    if (digest.isEmpty()) {
      if (!digest.equals(Digest.EMPTY)) {
        throw mismatch();
      }
    } else {
      write(instance, digest, body);
    }
    add(instance, digest);
  }

  private void write(String instance, Digest digest, InputStream body)
      throws OciException, IOException {
    try (BlobWriter writer = blobs.write(Scope.farm(instance), digest)) {
      byte[] chunk = new byte[CHUNK_BYTES];
      while (writer.position() < digest.sizeBytes()) {
        int wanted = (int) Math.min(chunk.length, digest.sizeBytes() - writer.position());
        int n = body.read(chunk, 0, wanted);
        if (n < 0) {
          throw OciException.invalid(Code.SIZE_INVALID, "the body is shorter than its length");
        }
        writer.write(ByteBuffer.wrap(chunk, 0, n));
      }
      writer.commit();
    } catch (DigestMismatchException e) {
      throw mismatch();
    }
  }

  private static OciException mismatch() {
    return OciException.invalid(Code.DIGEST_INVALID, "the bytes do not have the digest given");
  }

  private void add(String instance, Digest digest) throws IOException {
    blobs.lease(Scope.farm(instance), List.of(digest), clock.instant().plus(UNNAMED));
    tables.addBlob(instance, digest);
  }

  /** The sha256 of what a gzipped archive of the mirror unpacks to; of size 0. */
  Digest unpacked(String instance, Digest archive) throws IOException {
    Optional<Digest> known = tables.unpacked(archive);
    if (known.isPresent()) {
      return known.get();
    }
    Lock lock = unpacking.get(archive);
    lock.lock();
    try {
      known = tables.unpacked(archive);
      if (known.isPresent()) {
        return known.get();
      }
      Digest computed = compute(instance, archive);
      tables.putUnpacked(archive, computed);
      return computed;
    } finally {
      lock.unlock();
    }
  }

  private Digest compute(String instance, Digest archive) throws IOException {
    MessageDigest sha256 = Digest.sha256();
    try (InputStream in =
        new GZIPInputStream(
            blobs.read(Scope.farm(instance), archive, 0, Long.MAX_VALUE), 1 << 16)) {
      byte[] buffer = new byte[CHUNK_BYTES];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        sha256.update(buffer, 0, n);
      }
    }
    return Digest.fromHash(sha256.digest(), 0);
  }
}
