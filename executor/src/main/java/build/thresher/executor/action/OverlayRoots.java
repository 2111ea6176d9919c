package build.thresher.executor.action;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Roots as overlays: the shared layers below are only ever read through the overlay, so that what
 * an action writes, renames, truncates or gives other permissions becomes its own copy first.
 */
final class OverlayRoots implements InputRoots {
  private final Kernel kernel;
  private final RootLayers layers;
  private final UntouchedDirectories directories;
  private final Path place;
  private final AtomicLong made = new AtomicLong();
  private boolean closed;

  /**
   * @param place directory for mounts. It has to be there before the sandbox starts its first
   *     command: the process that does so may have a namespace of its own by then, which is told of
   *     mounts in here.
   */
  OverlayRoots(Kernel kernel, RootLayers layers, UntouchedDirectories directories, Path place)
      throws IOException {
    this.kernel = kernel;
    this.layers = layers;
    this.directories = directories;
    this.place = place;
    FileTrees.createReadable(place);
    kernel.placeForMounts(place);
  }

  /**
   * Tries one for real.
   *
   * @param scratch an empty directory on the file system of the roots; emptied again
   * @throws IOException saying why there are no overlays here
   */
  static void probe(Kernel kernel, Path scratch) throws IOException {
    Path lower = FileTrees.createReadable(scratch.resolve("lower"));
    Path base = FileTrees.createReadable(scratch.resolve("base"));
    Files.writeString(base.resolve("hidden"), "");
    kernel.whiteout(lower.resolve("hidden"));
    Path upper = FileTrees.createReadable(scratch.resolve("upper"));
    Path work = FileTrees.createReadable(scratch.resolve("work"));
    Path merged = FileTrees.createReadable(scratch.resolve("merged"));
    try {
      kernel.overlay(List.of(lower, base), upper, work, merged);
      try {
        Files.writeString(merged.resolve("probe"), "");
        if (Files.exists(merged.resolve("hidden"))) {
          throw new IOException("overlays show what was hidden");
        }
      } finally {
        kernel.detach(merged);
      }
    } finally {
      FileTrees.delete(scratch);
    }
  }

  @Override
  public InputRoot prepare(Scope scope, Digest root, Loader loader, Path directory, Owner owner)
      throws IOException {
    RootLayers.Use use = layers.acquire(scope, root, loader);
    try {
      Path upper = directories.take(directory.resolve("root"), owner);
      Path beside = directory.resolveSibling(directory.getFileName() + "-overlay");
      FileTrees.createReadable(beside);
      Path work = FileTrees.createReadable(beside.resolve("work"));
      Path merged = FileTrees.createReadable(place.resolve(Long.toString(made.incrementAndGet())));
      kernel.overlay(use.paths(), upper, work, merged);
      return new InputRoot() {
        @Override
        public Path path() {
          return merged;
        }

        @Override
        public void close() throws IOException {
          try {
            kernel.detach(merged);
            Files.delete(merged);
          } finally {
            use.close();
          }
        }
      };
    } catch (IOException | RuntimeException e) {
      use.close();
      throw e;
    }
  }

  @Override
  public String describe() {
    return "input roots are overlays over a shared cache";
  }

  @Override
  public synchronized void close() throws IOException {
    layers.close();
    if (!closed) {
      kernel.detach(place);
      closed = true;
    }
  }
}
