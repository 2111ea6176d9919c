package build.thresher.executor.inputs;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;

/**
 * Unpacked container images, each once on this host for all executors that share the cache. Actions
 * must see them read-only. Thread-safe.
 */
public final class ImageCache implements Closeable {
  private final KeyLocks locks;
  private final DirectoryCache cache;

  /** Writes an image into an existing empty directory. */
  @FunctionalInterface
  public interface Unpacker {
    void unpack(Path into) throws IOException, InterruptedException;
  }

  /** An image in use; close when done. */
  public record Root(Path path, Closeable use) implements Closeable {
    @Override
    public void close() throws IOException {
      use.close();
    }
  }

  public ImageCache(Path root, long limitBytes, InstantSource clock) throws IOException {
    this.locks = KeyLocks.ofDigests(root);
    this.cache = new DirectoryCache(root, limitBytes, locks, clock);
  }

  /**
   * Returns the image, unpacked by now by somebody.
   *
   * @param key a sha256 in hexadecimal
   */
  public Root acquire(String key, Unpacker unpacker) throws IOException, InterruptedException {
    DirectoryCache.Use use = cache.acquire(key, unpacker::unpack);
    return new Root(use.path(), use);
  }

  @Override
  public void close() throws IOException {
    locks.close();
  }
}
