package build.thresher.client.buildcache;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.Parallel;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Brings blobs of another mirror to the farm: those that it lacks, small ones several in a call. A
 * blob that fails keeps none of the others out.
 *
 * <p>Threading: any thread; calls block.
 */
final class BlobUploads {
  private static final int SMALL_BYTES = 1 << 20;

  /** Each costs the other mirror an answer, and they are asked for one after the other. */
  private static final int BLOBS_A_CALL = 8;

  /** Of a directory each costs less than its share of a call. */
  private static final int NEAR_BLOBS_A_CALL = 64;

  private final Mirror mirror;
  private final BlobStore store;
  private final Scope scope;

  BlobUploads(Mirror mirror, BlobStore store, Scope scope) {
    this.mirror = mirror;
    this.store = store;
    this.scope = scope;
  }

  /**
   * What became of blobs that the farm lacked.
   *
   * @param failures by blob
   */
  record Uploaded(Set<Digest> uploaded, Map<Digest, IOException> failures) {}

  /**
   * Returns when each is there or has failed.
   *
   * @param blobs and their paths in the mirror
   * @param jobs files of the mirror that are read at a time
   */
  Uploaded upload(Map<Digest, String> blobs, int jobs) throws IOException {
    Uploaded done = new Uploaded(ConcurrentHashMap.newKeySet(), new ConcurrentHashMap<>());
    List<Parallel.Transfer> calls = new ArrayList<>();
    List<Digest> small = new ArrayList<>();
    long bytes = 0;
    int most = mirror.isDirectory() ? NEAR_BLOBS_A_CALL : BLOBS_A_CALL;
    for (Digest digest : store.findMissing(scope, blobs.keySet())) {
      if (digest.sizeBytes() > SMALL_BYTES) {
        calls.add(() -> stream(digest, blobs, done));
        continue;
      }
      if (small.size() == most || bytes + digest.sizeBytes() > SMALL_BYTES) {
        List<Digest> full = small;
        calls.add(() -> together(full, blobs, done));
        small = new ArrayList<>();
        bytes = 0;
      }
      small.add(digest);
      bytes += digest.sizeBytes();
    }
    List<Digest> rest = small;
    calls.add(() -> together(rest, blobs, done));
    Parallel.run(jobs, calls);
    return done;
  }

  private void together(List<Digest> digests, Map<Digest, String> paths, Uploaded done) {
    List<Blob> blobs = new ArrayList<>();
    for (Digest digest : digests) {
      try {
        blobs.add(new Blob(digest, whole(digest, String.valueOf(paths.get(digest)))));
      } catch (IOException e) {
        done.failures().put(digest, e);
      }
    }
    List<Digest> read = blobs.stream().map(Blob::digest).toList();
    try {
      if (!read.isEmpty()) {
        store.putAll(scope, blobs);
      }
      done.uploaded().addAll(read);
    } catch (IOException e) {
      read.forEach(digest -> done.failures().put(digest, e));
    }
  }

  private byte[] whole(Digest digest, String path) throws IOException {
    byte[] bytes;
    try (InputStream in = opened(path)) {
      bytes = in.readNBytes((int) digest.sizeBytes() + 1);
    }
    requireLength(bytes.length, digest, path);
    if (!Digest.of(bytes).equals(digest)) {
      throw new IOException(path + " has not the sha256 that its manifest says");
    }
    return bytes;
  }

  private void stream(Digest digest, Map<Digest, String> paths, Uploaded done) {
    String path = String.valueOf(paths.get(digest));
    try (InputStream in = opened(path);
        BlobWriter writer = store.write(scope, digest)) {
      byte[] chunk = new byte[SMALL_BYTES];
      for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
        if (writer.position() + n > digest.sizeBytes()) {
          throw new IOException(path + " is longer than its manifest says");
        }
        writer.write(ByteBuffer.wrap(chunk, 0, n));
      }
      requireLength(writer.position(), digest, path);
      writer.commit();
      done.uploaded().add(digest);
    } catch (IOException e) {
      done.failures().put(digest, e);
    }
  }

  private static void requireLength(long length, Digest digest, String path) throws IOException {
    if (length > digest.sizeBytes()) {
      throw new IOException(path + " is longer than its manifest says");
    }
    if (length < digest.sizeBytes()) {
      throw new IOException(
          "%s has %d bytes, its manifest says %d".formatted(path, length, digest.sizeBytes()));
    }
  }

  private InputStream opened(String path) throws IOException {
    return mirror.files().open(path).orElseThrow(() -> mirror.lacks(path));
  }
}
