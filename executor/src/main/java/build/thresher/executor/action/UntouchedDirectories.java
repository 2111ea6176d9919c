package build.thresher.executor.action;

import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Directories of users of actions that serve one action after the other as long as nobody does
 * anything to them: whatever changes a directory, be it its entries, permissions, attributes or
 * times, sets its time of change, which nobody can set back. One that was changed is made anew.
 * Thread-safe, but for one directory.
 *
 * <p>That is worth it because ext4 does not give away the number of what was deleted in the last
 * half minute: the more was, the longer it looks for one.
 */
final class UntouchedDirectories {
  private final Clock clock;
  private final Map<Object, Use> uses = new ConcurrentHashMap<>();

  /**
   * @param settled whether changes have had a later time than this one's since before the user had
   *     it, so that none of the user's can hide
   */
  private record Use(Owner owner, FileTime changed, boolean settled) {}

  private record Found(Object key, FileTime changed) {}

  /** What time a change has now, see {@link ChangeClock}. */
  interface Clock {
    FileTime now() throws IOException;
  }

  UntouchedDirectories(Clock clock) {
    this.clock = clock;
  }

  /** A directory as good as new, for one action of this user. */
  Path take(Path path, Owner owner) throws IOException {
    Optional<Found> found = find(path);
    if (found.isPresent()) {
      Use before = uses.get(found.get().key());
      if (before != null
          && before.owner().equals(owner)
          && before.changed().equals(found.get().changed())) {
        if (!before.settled()) {
          boolean settled = clock.now().compareTo(before.changed()) > 0;
          uses.put(found.get().key(), new Use(owner, before.changed(), settled));
        }
        return path;
      }
      remove(path, found.get());
    }
    return make(path, owner);
  }

  /** The action is over: what was taken for it is as good as new again, all else is gone. */
  void clear(Path path) throws IOException {
    Optional<Found> found = find(path);
    Use use = found.map(Found::key).map(uses::get).orElse(null);
    if (found.isEmpty() || use == null) {
      FileTrees.delete(path);
      return;
    }
    if (!use.settled() || !use.changed().equals(found.get().changed())) {
      remove(path, found.get());
      make(path, use.owner());
    }
  }

  private Path make(Path path, Owner owner) throws IOException {
    owner.directory(path);
    Found made = find(path).orElseThrow(() -> new NoSuchFileException(path.toString()));
    uses.put(made.key(), new Use(owner, made.changed(), false));
    return path;
  }

  private void remove(Path path, Found found) throws IOException {
    uses.remove(found.key());
    FileTrees.delete(path);
  }

  private static Optional<Found> find(Path path) throws IOException {
    try {
      Map<String, Object> attributes =
          Files.readAttributes(path, "unix:fileKey,ctime", LinkOption.NOFOLLOW_LINKS);
      return Optional.of(
          new Found(
              Objects.requireNonNull(attributes.get("fileKey")),
              (FileTime) Objects.requireNonNull(attributes.get("ctime"))));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }
}
