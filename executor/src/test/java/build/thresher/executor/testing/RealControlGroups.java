package build.thresher.executor.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * The control groups of this host, as far as an executor of this user may write them. Stateless.
 */
public final class RealControlGroups {
  private static final Path MOUNTED = Path.of("/sys/fs/cgroup");
  private static final String PROCESSES = "cgroup.procs";

  private RealControlGroups() {}

  /** Whether that controller limits builds here, of version 1 or 2. */
  public static boolean have(String controller) throws IOException {
    Path unified = unified();
    return unified.startsWith(MOUNTED.resolve("unified"))
        ? Files.isWritable(MOUNTED.resolve(controller).resolve(PROCESSES))
        : Files.isWritable(unified.resolve(PROCESSES))
            && List.of(
                    Files.readString(unified.resolve("cgroup.controllers")).trim().split(" ", -1))
                .contains(controller);
  }

  /** This process's group of version 2, which may be mounted beside version 1, or not at all. */
  public static Path unified() throws IOException {
    Path root =
        Files.isRegularFile(MOUNTED.resolve("cgroup.controllers"))
            ? MOUNTED
            : MOUNTED.resolve("unified");
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/cgroup"))) {
      return lines
          .filter(line -> line.startsWith("0::/"))
          .findFirst()
          .map(line -> root.resolve(line.substring("0::/".length())))
          .orElse(root);
    }
  }
}
