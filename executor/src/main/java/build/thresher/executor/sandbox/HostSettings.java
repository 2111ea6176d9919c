package build.thresher.executor.sandbox;

import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.Objects;

/**
 * Makes the /etc of builds: the account files of nobody but the build, and copies of the few things
 * of the host's that programs need. The copies are of the moment in which the executor started, as
 * is what it says about the host's compilers. One directory is mounted for a build, then, in place
 * of a dozen files, of which each costs bubblewrap a look at all mounts of the host. Stateless.
 */
public final class HostSettings {
  /** Below /etc; never accounts, keys or tokens. */
  private static final List<String> COPIED =
      List.of(
          "alternatives",
          "crypto-policies",
          "ld.so.cache",
          "ld.so.conf",
          "ld.so.conf.d",
          "magic",
          "os-release",
          "perl",
          "pki/ca-trust/extracted",
          "pki/tls/certs",
          "ssl/certs",
          "ssl/openssl.cnf");

  private HostSettings() {}

  /**
   * Makes the directory anew. What is not for everybody to read is not copied.
   *
   * @param hostPaths what else builds see of the host: those below /etc get a place in it
   */
  public static void write(Path etc, List<Path> hostPaths) throws IOException {
    FileTrees.delete(etc);
    FileTrees.createReadable(etc);
    for (String name : COPIED) {
      Path from = Path.of("/etc", name);
      if (Files.exists(from)) {
        Path to = etc.resolve(name);
        FileTrees.createReadable(Objects.requireNonNull(to.getParent()));
        copyWhatIsThere(from.toRealPath(), to);
      }
    }
    for (Path path : hostPaths) {
      if (path.startsWith("/etc") && Files.isDirectory(path)) {
        FileTrees.createReadable(etc.resolve(Path.of("/etc").relativize(path)));
      }
    }
    Files.writeString(
        etc.resolve("passwd"),
        "build:x:1000:1000:build:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
    Files.writeString(etc.resolve("group"), "build:x:1000:\nnogroup:x:65534:\n");
    Files.writeString(etc.resolve("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n");
    Files.writeString(etc.resolve("hosts"), "127.0.0.1 localhost builder\n::1 localhost\n");
    // A place for what is mounted where an action has network.
    Files.writeString(etc.resolve("resolv.conf"), "");
  }

  /** Somebody may be installing something: what goes away meanwhile is left out. */
  static void copyWhatIsThere(Path from, Path to) throws IOException {
    try {
      copy(from, to);
    } catch (NoSuchFileException e) {
      // It was a temporary file, or has another name by now.
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    PosixFileAttributes what =
        Files.readAttributes(from, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    if (what.isDirectory() && what.permissions().contains(PosixFilePermission.OTHERS_READ)) {
      FileTrees.createReadable(to);
      try (DirectoryStream<Path> children = Files.newDirectoryStream(from)) {
        for (Path child : children) {
          copyWhatIsThere(child, to.resolve(Objects.requireNonNull(child.getFileName())));
        }
      }
    } else if (what.isSymbolicLink()
        || (what.isRegularFile() && what.permissions().contains(PosixFilePermission.OTHERS_READ))) {
      Files.copy(from, to, StandardCopyOption.COPY_ATTRIBUTES, LinkOption.NOFOLLOW_LINKS);
    }
  }
}
