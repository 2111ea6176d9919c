package build.thresher.executor.spack;

import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What one build has to itself.
 *
 * @param directory exists, empty, and is removed by the caller afterwards
 * @param uid host user of the build; negative: the executor's own
 */
public record BuildSlot(Path directory, int uid) {

  /** Makes a directory here that the build may write to. */
  Path own(String name) throws IOException {
    Path own = FileTrees.createReadable(directory.resolve(name));
    if (uid >= 0) {
      Files.setAttribute(own, "unix:uid", uid);
      Files.setAttribute(own, "unix:gid", uid);
    }
    return own;
  }
}
