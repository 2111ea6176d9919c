package build.thresher.cas.mirror;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.NamingBlobStore;
import build.thresher.cas.api.NamingBlobWriter;
import build.thresher.cas.api.Scope;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A store in memory that counts pins and leases; for tests whose subject is not the store. */
public final class MemoryBlobStore implements NamingBlobStore {
  private final Map<Digest, byte[]> blobs = new HashMap<>();
  private final Map<Digest, Integer> pins = new HashMap<>();
  private final Map<Digest, Integer> reads = new HashMap<>();
  private final Map<Digest, Instant> leases = new HashMap<>();

  @Override
  public synchronized Set<Digest> findMissing(Scope scope, Collection<Digest> wanted) {
    Set<Digest> missing = new HashSet<>(wanted);
    missing.removeAll(blobs.keySet());
    return missing;
  }

  @Override
  public synchronized InputStream read(Scope scope, Digest digest, long offset, long length)
      throws IOException {
    byte[] bytes = blobs.get(digest);
    if (bytes == null) {
      throw new BlobNotFoundException(digest);
    }
    reads.merge(digest, 1, Integer::sum);
    if (offset < 0 || offset > bytes.length || length < 0) {
      throw new IllegalArgumentException("range " + offset + "+" + length);
    }
    return new ByteArrayInputStream(
        bytes, (int) offset, (int) Math.min(length, bytes.length - offset));
  }

  @Override
  public BlobWriter write(Scope scope, Digest digest) {
    return new Writer(digest);
  }

  @Override
  public NamingBlobWriter writeUnnamed(Scope scope, long atMostBytes) {
    return new Writer(null);
  }

  @Override
  public void putAll(Scope scope, List<Blob> given) throws IOException {
    for (Blob blob : given) {
      store(blob.digest(), blob.bytes());
    }
  }

  @Override
  public synchronized void lease(Scope scope, Collection<Digest> digests, Instant until) {
    digests.forEach(d -> leases.merge(d, until, (a, b) -> a.isAfter(b) ? a : b));
  }

  @Override
  public synchronized void pin(Scope scope, Collection<Digest> digests) {
    digests.forEach(d -> pins.merge(d, 1, Integer::sum));
  }

  @Override
  public synchronized void unpin(Scope scope, Collection<Digest> digests) {
    digests.forEach(d -> pins.merge(d, -1, Integer::sum));
  }

  @Override
  public synchronized boolean delete(Scope scope, Digest digest) {
    return blobs.remove(digest) != null;
  }

  @Override
  public synchronized Statistics statistics() {
    return new Statistics(blobs.size(), blobs.values().stream().mapToLong(b -> b.length).sum());
  }

  public synchronized int pins(Digest digest) {
    return pins.getOrDefault(digest, 0);
  }

  /** How often somebody began to read it. */
  public synchronized int reads(Digest digest) {
    return reads.getOrDefault(digest, 0);
  }

  @Override
  public void close() {}

  private synchronized void store(Digest digest, byte[] bytes) throws DigestMismatchException {
    Digest actual = Digest.of(bytes);
    if (!actual.equals(digest)) {
      throw new DigestMismatchException(digest, actual.toString());
    }
    blobs.put(digest, bytes);
  }

  private final class Writer implements NamingBlobWriter {
    private final @Nullable Digest digest;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    Writer(@Nullable Digest digest) {
      this.digest = digest;
    }

    @Override
    public void write(ByteBuffer more) throws IOException {
      byte[] copy = new byte[more.remaining()];
      more.get(copy);
      bytes.write(copy);
    }

    @Override
    public long position() {
      return bytes.size();
    }

    @Override
    public void commit() throws IOException {
      store(digest == null ? name() : digest, bytes.toByteArray());
    }

    @Override
    public Digest name() {
      return Digest.of(bytes.toByteArray());
    }

    @Override
    public void close() {}
  }
}
