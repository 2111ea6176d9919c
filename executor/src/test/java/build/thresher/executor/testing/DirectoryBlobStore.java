package build.thresher.executor.testing;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import com.google.common.io.ByteStreams;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** One file for each blob, in a directory. */
public final class DirectoryBlobStore implements BlobStore {
  private final Path root;
  private final AtomicLong temporary = new AtomicLong();
  private final AtomicInteger readsToRestart = new AtomicInteger(Integer.MAX_VALUE);

  public DirectoryBlobStore(Path root) throws IOException {
    this.root = Files.createDirectories(root);
  }

  /** After so many reads two fail, as those of a server that restarts. */
  public void restartAfter(int reads) {
    readsToRestart.set(reads);
  }

  private Path file(Digest digest) {
    return root.resolve(digest.hex());
  }

  @Override
  public Set<Digest> findMissing(Scope scope, Collection<Digest> wanted) {
    Set<Digest> missing = new LinkedHashSet<>();
    for (Digest digest : wanted) {
      if (!digest.isEmpty() && !Files.exists(file(digest))) {
        missing.add(digest);
      }
    }
    return missing;
  }

  @Override
  public InputStream read(Scope scope, Digest digest, long offset, long length) throws IOException {
    if (digest.isEmpty()) {
      return InputStream.nullInputStream();
    }
    int left = readsToRestart.getAndDecrement();
    if (left == 0 || left == -1) {
      throw new StoreUnavailableException("it restarts", null);
    }
    if (!Files.exists(file(digest))) {
      throw new BlobNotFoundException(digest);
    }
    InputStream in = Files.newInputStream(file(digest));
    in.skipNBytes(offset);
    return ByteStreams.limit(in, length);
  }

  @Override
  public BlobWriter write(Scope scope, Digest digest) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    return new BlobWriter() {
      @Override
      public void write(ByteBuffer buffer) {
        byte[] copy = new byte[buffer.remaining()];
        buffer.get(copy);
        bytes.writeBytes(copy);
      }

      @Override
      public long position() {
        return bytes.size();
      }

      @Override
      public void commit() throws IOException {
        putAll(scope, List.of(new Blob(digest, bytes.toByteArray())));
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public void putAll(Scope scope, List<Blob> blobs) throws IOException {
    for (Blob blob : blobs) {
      Digest actual = Digest.of(blob.bytes());
      if (!actual.equals(blob.digest())) {
        throw new DigestMismatchException(blob.digest(), actual.toString());
      }
      Path unfinished = root.resolve("t" + temporary.incrementAndGet());
      Files.write(unfinished, blob.bytes());
      Files.move(unfinished, file(actual), StandardCopyOption.ATOMIC_MOVE);
    }
  }

  @Override
  public void lease(Scope scope, Collection<Digest> digests, Instant until) {}

  @Override
  public void pin(Scope scope, Collection<Digest> digests) {}

  @Override
  public void unpin(Scope scope, Collection<Digest> digests) {}

  @Override
  public boolean delete(Scope scope, Digest digest) throws IOException {
    return Files.deleteIfExists(file(digest));
  }

  @Override
  public Statistics statistics() {
    return new Statistics(0, 0);
  }

  @Override
  public void close() {}
}
