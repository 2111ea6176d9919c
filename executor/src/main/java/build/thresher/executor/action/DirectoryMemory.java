package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Directory;
import build.thresher.cas.api.Digest;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Directory messages of earlier actions, the least recently used forgotten beyond a limit, so that
 * inputs which hardly change are hardly read. Thread-safe.
 */
final class DirectoryMemory implements InputTree.Memory {
  private final long limitBytes;
  private final Map<Digest, Directory> known = new LinkedHashMap<>(16, 0.75f, true);
  private long bytes;

  /**
   * @param limitBytes of the encoded messages together
   */
  DirectoryMemory(long limitBytes) {
    this.limitBytes = limitBytes;
  }

  @Override
  public synchronized Map<Digest, Directory> find(Set<Digest> wanted) {
    Map<Digest, Directory> found = new HashMap<>();
    for (Digest digest : wanted) {
      Directory directory = known.get(digest);
      if (directory != null) {
        found.put(digest, directory);
      }
    }
    return found;
  }

  @Override
  public synchronized void remember(Digest digest, Directory directory) {
    if (known.put(digest, directory) != null) {
      return;
    }
    bytes += digest.sizeBytes();
    Iterator<Digest> oldest = known.keySet().iterator();
    while (bytes > limitBytes && oldest.hasNext()) {
      bytes -= oldest.next().sizeBytes();
      oldest.remove();
    }
  }
}
