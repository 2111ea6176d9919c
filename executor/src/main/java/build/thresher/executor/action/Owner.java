package build.thresher.executor.action;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * The user of this host that actions run as.
 *
 * @param uid negative: the executor's own
 */
public record Owner(int uid) {

  /** Gives a file, directory or link to the user. */
  void own(Path path) throws IOException {
    if (uid >= 0) {
      Files.setAttribute(path, "unix:uid", uid, LinkOption.NOFOLLOW_LINKS);
      Files.setAttribute(path, "unix:gid", uid, LinkOption.NOFOLLOW_LINKS);
    }
  }

  /** Makes a directory of the user's, whatever the umask of the executor. */
  Path directory(Path path) throws IOException {
    Files.createDirectory(path);
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
    own(path);
    return path;
  }
}
