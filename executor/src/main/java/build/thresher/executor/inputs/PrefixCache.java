package build.thresher.executor.inputs;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.concurrent.Semaphore;

/**
 * Dependencies that were built before, each downloaded and extracted once on this host. They are
 * used where Spack recorded them, by mounting, so nothing is relocated. Builds must see them
 * read-only. Shared with other processes by Spack's prefix locks. Thread-safe.
 */
public final class PrefixCache implements Closeable {
  private final BlobStore store;
  private final KeyLocks locks;
  private final Semaphore extracting;
  private final DirectoryCache cache;

  /** A prefix in use; close when done. */
  public record Prefix(Path path, Closeable use) implements Closeable {
    @Override
    public void close() throws IOException {
      use.close();
    }
  }

  /**
   * @param parallel archives that are extracted at the same time, for all builds together
   */
  public PrefixCache(Path root, long limitBytes, int parallel, BlobStore store, InstantSource clock)
      throws IOException {
    this.store = store;
    this.locks = KeyLocks.ofPrefixes(root);
    this.extracting = new Semaphore(parallel);
    this.cache = new DirectoryCache(root, limitBytes, locks, clock);
  }

  /** Returns the prefix, extracted by now by somebody. */
  public Prefix acquire(Scope scope, BuiltPrefix prefix) throws IOException, InterruptedException {
    String key = prefix.hash() + "-" + prefix.archive().hex();
    DirectoryCache.Use use = cache.acquire(key, directory -> extract(scope, prefix, directory));
    return new Prefix(use.path(), use);
  }

  private void extract(Scope scope, BuiltPrefix prefix, Path directory) throws IOException {
    try {
      extracting.acquire();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("nobody waits for " + prefix.hash() + " any more");
    }
    try (InputStream in =
        new BufferedInputStream(store.read(scope, prefix.archive(), 0, Long.MAX_VALUE), 1 << 16)) {
      new ArchiveExtractor(prefix.path(), directory).extract(in);
    } catch (ArchiveException e) {
      throw new ArchiveException(
          "the archive of " + prefix.hash() + " is refused: " + e.getMessage());
    } finally {
      extracting.release();
    }
  }

  /** Bytes of all prefixes together. */
  long totalBytes() throws IOException {
    return cache.totalBytes();
  }

  /** How often an archive was extracted since start. */
  public long extractions() {
    return cache.fills();
  }

  @Override
  public void close() throws IOException {
    locks.close();
  }
}
