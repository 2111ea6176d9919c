package build.thresher.scheduler;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Blobs in memory, for tests of what uses a store. */
public final class MemoryBlobs implements BlobStore {
  private final Map<Digest, byte[]> blobs = new ConcurrentHashMap<>();

  public Digest add(byte[] bytes) {
    Blob blob = Blob.of(bytes);
    blobs.put(blob.digest(), bytes);
    return blob.digest();
  }

  @Override
  public Set<Digest> findMissing(Scope scope, Collection<Digest> wanted) {
    Set<Digest> missing = new HashSet<>(wanted);
    missing.removeAll(blobs.keySet());
    missing.remove(Digest.EMPTY);
    return missing;
  }

  @Override
  public InputStream read(Scope scope, Digest digest, long offset, long length)
      throws BlobNotFoundException {
    byte[] bytes = digest.isEmpty() ? new byte[0] : blobs.get(digest);
    if (bytes == null) {
      throw new BlobNotFoundException(digest);
    }
    int end =
        (int) Math.min(bytes.length, length == Long.MAX_VALUE ? bytes.length : offset + length);
    return new ByteArrayInputStream(Arrays.copyOfRange(bytes, (int) offset, end));
  }

  @Override
  public BlobWriter write(Scope scope, Digest digest) {
    throw new UnsupportedOperationException("the scheduler streams nothing into the store");
  }

  @Override
  public void putAll(Scope scope, List<Blob> added) {
    added.forEach(b -> blobs.put(b.digest(), b.bytes()));
  }

  @Override
  public void lease(Scope scope, Collection<Digest> digests, Instant until) {}

  @Override
  public void pin(Scope scope, Collection<Digest> digests) {}

  @Override
  public void unpin(Scope scope, Collection<Digest> digests) {}

  @Override
  public boolean delete(Scope scope, Digest digest) {
    return blobs.remove(digest) != null;
  }

  @Override
  public Statistics statistics() {
    return new Statistics(
        blobs.size(), blobs.values().stream().mapToLong(bytes -> bytes.length).sum());
  }

  @Override
  public void close() {}
}
