package build.thresher.executor.action;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Set;

/**
 * Roots of copies, for machines where the executor may not mount: each action gets its own file of
 * every input. Where the file system shares blocks between copies (XFS, Btrfs) that costs no bytes.
 */
final class CopiedRoots implements InputRoots {
  private final ContentCache cache;
  private final UntouchedDirectories directories;
  private final String description;

  CopiedRoots(ContentCache cache, UntouchedDirectories directories, Path work, String why)
      throws IOException {
    this.cache = cache;
    this.directories = directories;
    FileStore files = Files.getFileStore(work);
    boolean shares = Set.of("xfs", "btrfs", "bcachefs", "zfs").contains(files.type());
    this.description =
        "every input file is copied for each action"
            + (shares ? ", sharing blocks on " : "; it shares no blocks on ")
            + files.type()
            + " ("
            + why
            + ")";
  }

  @Override
  public InputRoot prepare(Scope scope, Digest root, Loader loader, Path directory, Owner owner)
      throws IOException {
    InputTree tree = loader.load();
    Set<FileKey> files = tree.files();
    cache.acquire(scope, files);
    try {
      Path path = directories.take(directory.resolve("root"), owner);
      new RootWriter(tree, owner, (key, at) -> copy(key, at, owner)).fill(root, path);
      return new InputRoot() {
        @Override
        public Path path() {
          return path;
        }

        @Override
        public void close() {}
      };
    } finally {
      cache.release(files);
    }
  }

  private void copy(FileKey key, Path at, Owner owner) throws IOException {
    Files.copy(cache.path(key), at, StandardCopyOption.COPY_ATTRIBUTES);
    owner.own(at);
  }

  @Override
  public String describe() {
    return description;
  }

  @Override
  public void close() {}
}
