package build.thresher.client.sources;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Makes directories and files that a group shares. Without a group they get what umask and the
 * directory above give them, its setgid bit included; with one they belong to it, it may write, and
 * directories hand it on to what is made in them.
 */
final class SharedFiles {
  private static final int SETGID = 02000;

  private final @Nullable GroupPrincipal group;

  private SharedFiles(@Nullable GroupPrincipal group) {
    this.group = group;
  }

  /**
   * @param group "" for none
   */
  static SharedFiles of(Path directory, String group) throws IOException {
    if (group.isEmpty()) {
      return new SharedFiles(null);
    }
    try {
      return new SharedFiles(
          directory
              .getFileSystem()
              .getUserPrincipalLookupService()
              .lookupPrincipalByGroupName(group));
    } catch (UserPrincipalNotFoundException e) {
      throw new FileSystemException(group, null, "this machine knows no such group");
    }
  }

  void directories(Path directory) throws IOException {
    if (Files.isDirectory(directory)) {
      return;
    }
    Path parent = directory.getParent();
    if (parent != null) {
      directories(parent);
    }
    try {
      Files.createDirectory(directory);
    } catch (FileAlreadyExistsException e) {
      if (!Files.isDirectory(directory)) {
        throw e;
      }
      return; // Another client's, which shares it.
    }
    if (group != null) {
      share(directory);
      int mode = (Integer) Objects.requireNonNull(Files.getAttribute(directory, "unix:mode"));
      Files.setAttribute(directory, "unix:mode", (mode & 07777) | SETGID);
    }
  }

  /** A file that was just made. */
  void file(Path file) throws IOException {
    if (group != null) {
      share(file);
    }
  }

  private void share(Path path) throws IOException {
    PosixFileAttributeView view =
        Files.getFileAttributeView(path, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
    view.setGroup(group);
    Set<PosixFilePermission> permissions = EnumSet.copyOf(view.readAttributes().permissions());
    permissions.add(PosixFilePermission.GROUP_READ);
    permissions.add(PosixFilePermission.GROUP_WRITE);
    if (Files.isDirectory(path)) {
      permissions.add(PosixFilePermission.GROUP_EXECUTE);
    }
    view.setPermissions(permissions);
  }
}
