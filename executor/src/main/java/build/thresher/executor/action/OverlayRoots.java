package build.thresher.executor.action;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Roots as overlays: the shared layers below are only ever read through the overlay, so that what
 * an action writes, renames, truncates or gives other permissions becomes its own copy first.
 */
final class OverlayRoots implements InputRoots {
  private final Kernel kernel;
  private final RootLayers layers;
  private final UntouchedDirectories directories;

  OverlayRoots(Kernel kernel, RootLayers layers, UntouchedDirectories directories) {
    this.kernel = kernel;
    this.layers = layers;
    this.directories = directories;
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
  public InputRoot prepare(Scope scope, Digest root, Loader loader, Path directory)
      throws IOException {
    RootLayers.Use use = layers.acquire(scope, root, loader);
    try {
      Path upper = directories.take(directory.resolve("root"));
      Path beside = directory.resolveSibling(directory.getFileName() + "-overlay");
      FileTrees.createReadable(beside);
      Path work = FileTrees.createReadable(beside.resolve("work"));
      Path merged = FileTrees.createReadable(beside.resolve("merged"));
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
  public void close() {
    layers.close();
  }
}
