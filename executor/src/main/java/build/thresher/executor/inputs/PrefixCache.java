package build.thresher.executor.inputs;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.InstantSource;

/**
 * Dependencies that were built before, each downloaded and extracted once on this host. They are
 * used where Spack recorded them, by mounting, so nothing is relocated. Builds must see them
 * read-only. Shared with other processes by Spack's prefix locks. Thread-safe.
 */
public final class PrefixCache implements Closeable {
  private static final int HASH_CHARACTERS = 32;

  private final BlobStore store;
  private final PrefixLocks locks;
  private final DirectoryCache cache;

  /** A prefix in use; close when done. */
  public record Prefix(Path path, Closeable use) implements Closeable {
    @Override
    public void close() throws IOException {
      use.close();
    }
  }

  public PrefixCache(Path root, long limitBytes, BlobStore store, InstantSource clock)
      throws IOException {
    this.store = store;
    this.locks = new PrefixLocks(root);
    this.cache = new DirectoryCache(root, limitBytes, new Guard(locks), clock);
  }

  /** Returns the prefix, extracted by now by somebody. */
  public Prefix acquire(Scope scope, BuiltPrefix prefix) throws IOException, InterruptedException {
    String key = prefix.hash() + "-" + prefix.archive().hex();
    DirectoryCache.Use use =
        cache.acquire(
            key,
            directory -> {
              try (InputStream in =
                  new BufferedInputStream(
                      store.read(scope, prefix.archive(), 0, Long.MAX_VALUE), 1 << 16)) {
                new ArchiveExtractor(prefix.path(), directory).extract(in);
              } catch (ArchiveException e) {
                throw new ArchiveException(
                    "the archive of " + prefix.hash() + " is refused: " + e.getMessage());
              }
            });
    return new Prefix(use.path(), use);
  }

  /** Bytes of all prefixes together. */
  long totalBytes() {
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

  /** Spack locks a prefix by its DAG hash, whatever archive it came from. */
  private record Guard(PrefixLocks locks) implements DirectoryCache.Guard {
    @Override
    public void exclusively(String key, DirectoryCache.Action action) throws IOException {
      Closeable lock = locks.exclusive(key.substring(0, HASH_CHARACTERS));
      try {
        action.run();
      } finally {
        lock.close();
      }
    }

    @Override
    public Closeable shared(String key) throws IOException {
      return locks.shared(key.substring(0, HASH_CHARACTERS));
    }
  }
}
