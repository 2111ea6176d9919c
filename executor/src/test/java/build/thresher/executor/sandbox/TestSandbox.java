package build.thresher.executor.sandbox;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/** A real sandbox as an executor of this user has it. */
final class TestSandbox {
  static final boolean ROOT = "root".equals(System.getProperty("user.name"));

  /** For commands, where this is root. */
  static final int USER = 64100;

  private TestSandbox() {}

  /** In a directory that other users are then let into; its {@code etc} is what commands see. */
  static Sandbox open(Path directory) throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/bwrap")), "no bubblewrap on this host");
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path etc = directory.resolve("etc");
    HostSettings.write(etc, List.of());
    return new Sandbox(
        new Bubblewrap(
            etc,
            List.of(),
            ROOT,
            SeccompFilter.write(directory.resolve("seccomp"), System.getProperty("os.arch", ""))),
        ControlGroups.prepare("sandbox-test-" + ProcessHandle.current().pid()),
        "/usr/bin/python3",
        System::nanoTime);
  }
}
