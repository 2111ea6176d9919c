package build.thresher.executor.action;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Input roots as overlays, but for those of a few small files: to copy these takes less than to
 * mount, which makes some ten files and directories of its own each time. Thread-safe.
 */
final class FittingRoots implements InputRoots {
  private static final int FEW = 8;
  private static final long SMALL_BYTES = 256 << 10;
  private static final int REMEMBERED = 10_000;

  private final InputRoots overlays;
  private final InputRoots copies;

  /** The trees of roots seen lately, if they are to be copied. Guarded by itself. */
  private final Map<Digest, Optional<InputTree>> seen = new LinkedHashMap<>(16, 0.75f, true);

  FittingRoots(InputRoots overlays, InputRoots copies) {
    this.overlays = overlays;
    this.copies = copies;
  }

  @Override
  public InputRoot prepare(Scope scope, Digest root, Loader loader, Path directory, Owner owner)
      throws IOException {
    Optional<InputTree> known;
    synchronized (seen) {
      known = seen.get(root);
    }
    if (known == null) {
      InputTree tree = loader.load();
      known = Optional.of(tree).filter(FittingRoots::isSmall);
      remember(root, known);
      if (known.isEmpty()) {
        return overlays.prepare(scope, root, () -> tree, directory, owner);
      }
    }
    Optional<InputTree> small = known;
    return small.isPresent()
        ? copies.prepare(scope, root, small::get, directory, owner)
        : overlays.prepare(scope, root, loader, directory, owner);
  }

  private static boolean isSmall(InputTree tree) {
    try {
      return tree.entries(tree.root()) <= FEW
          && tree.files().stream().mapToLong(key -> key.digest().sizeBytes()).sum() <= SMALL_BYTES;
    } catch (RefusedActionException e) {
      return false; // It will be refused where it is written.
    }
  }

  private void remember(Digest root, Optional<InputTree> tree) {
    synchronized (seen) {
      seen.put(root, tree);
      if (seen.size() > REMEMBERED) {
        seen.remove(seen.keySet().iterator().next());
      }
    }
  }

  @Override
  public String describe() {
    return overlays.describe() + "; those of up to " + FEW + " small entries are copied";
  }

  @Override
  public void close() throws IOException {
    overlays.close();
    copies.close();
  }
}
