package build.thresher.executor.sandbox;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A real sandbox as an executor of this user has it. */
final class TestSandbox {
  static final boolean ROOT = "root".equals(System.getProperty("user.name"));

  /** For commands, where this is root. */
  static final int USER = 64100;

  static final Limits WIDE = new Limits(Duration.ofMinutes(1), 0, 500, 1L << 30, 100_000);

  private TestSandbox() {}

  /** In a directory that other users are then let into; its {@code etc} is what commands see. */
  static Sandbox open(Path directory) throws IOException {
    return open(directory, List.of(), "/usr/bin/python3");
  }

  /** For commands that see further paths of the host; with that interpreter for its launcher. */
  static Sandbox open(Path directory, List<Path> hostPaths, String python) throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/bwrap")), "no bubblewrap on this host");
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path etc = directory.resolve("etc");
    HostSettings.write(etc, hostPaths);
    return new Sandbox(
        new Bubblewrap(
            directory,
            etc,
            hostPaths,
            ROOT,
            SeccompFilter.write(directory.resolve("seccomp"), System.getProperty("os.arch", ""))),
        ControlGroups.prepare("sandbox-test-" + ProcessHandle.current().pid()),
        python,
        System::nanoTime);
  }

  /**
   * What a script says, without the space around it.
   *
   * @param inside where it runs, and sees its own directory
   */
  static String run(Sandbox sandbox, Path own, String inside, String script, boolean network)
      throws IOException, InterruptedException {
    StringBuilder output = new StringBuilder();
    SandboxSpec spec =
        new SandboxSpec(
            "test",
            List.of(Bind.writable(own, inside)),
            Map.of("PATH", "/usr/bin:/bin"),
            inside,
            List.of("/bin/sh", "-c", script),
            WIDE,
            own,
            USER,
            Optional.empty(),
            network);
    sandbox.run(
        spec,
        (bytes, count) -> output.append(new String(bytes, 0, count, StandardCharsets.UTF_8)),
        new KillSwitch());
    return output.toString().strip();
  }

  /** A new directory that commands may write to. */
  static Path writable(Path path) throws IOException {
    Path directory = FileTrees.createReadable(path);
    if (ROOT) {
      Files.setAttribute(directory, "unix:uid", USER);
    }
    return directory;
  }
}
