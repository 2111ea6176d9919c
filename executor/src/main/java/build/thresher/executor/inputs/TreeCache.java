package build.thresher.executor.inputs;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;

/**
 * The trees that clients bring (Spack cores, recipes, configurations), each materialised once on
 * this host for all builds of all executors that share the cache. Builds must see them read-only.
 * Thread-safe.
 */
public final class TreeCache implements Closeable {
  private final KeyLocks locks;
  private final DirectoryCache cache;
  private final Materialiser materialiser;

  /** Writes a REAPI directory tree into a directory. */
  @FunctionalInterface
  public interface Materialiser {
    /** Fills an existing empty directory with the tree of that root Directory. */
    void materialise(Scope scope, Digest root, Path into) throws IOException;
  }

  /** Adds to a tree what does not come with it. */
  @FunctionalInterface
  public interface Finish {
    /** The tree is complete, and nobody sees it yet. */
    void finish(Path tree) throws IOException, InterruptedException;
  }

  /** A tree in use; close when done. */
  public record Tree(Path path, Closeable use) implements Closeable {
    @Override
    public void close() throws IOException {
      use.close();
    }
  }

  public TreeCache(Path root, long limitBytes, Materialiser materialiser, InstantSource clock)
      throws IOException {
    this.materialiser = materialiser;
    this.locks = KeyLocks.ofDigests(root);
    this.cache = new DirectoryCache(root, limitBytes, locks, clock);
  }

  /** Returns the tree, materialised by now by somebody. */
  public Tree acquire(Scope scope, Digest root) throws IOException, InterruptedException {
    return acquire(scope, root, tree -> {});
  }

  /** The same; who materialises it finishes it. */
  public Tree acquire(Scope scope, Digest root, Finish finish)
      throws IOException, InterruptedException {
    DirectoryCache.Use use =
        cache.acquire(
            root.hex(),
            directory -> {
              materialiser.materialise(scope, root, directory);
              finish.finish(directory);
            });
    return new Tree(use.path(), use);
  }

  @Override
  public void close() throws IOException {
    locks.close();
  }
}
