package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Build tools of this machine that tests use where they are installed. */
final class Tools {
  private Tools() {}

  /** A program of the search path. */
  static Optional<Path> find(String name) {
    return List.of(System.getenv().getOrDefault("PATH", "/usr/bin").split(":", -1)).stream()
        .map(directory -> Path.of(directory).resolve(name))
        .filter(Files::isExecutable)
        .findFirst();
  }

  /**
   * The same; without it the test is skipped.
   *
   * @param install how to get it
   */
  static Path require(String name, String install) {
    Optional<Path> found = find(name);
    assumeTrue(found.isPresent(), "SKIPPED: no " + name + " on this host (" + install + ")");
    return found.orElseThrow();
  }
}
