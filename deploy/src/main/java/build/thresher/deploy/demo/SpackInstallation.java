package build.thresher.deploy.demo;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A Spack on this machine.
 *
 * @param root its checkout
 * @param builtin directory of its builtin package repo, where there is a clone of it; null: Spack
 *     fetches it itself
 */
public record SpackInstallation(Path root, @Nullable Path builtin) {

  /** Looks where the documentation says: SPACK_ROOT, PATH, then ~/spack. */
  public static Optional<SpackInstallation> find(Map<String, String> environment)
      throws IOException {
    String named = environment.get("SPACK_ROOT");
    if (named != null && isSpack(Path.of(named))) {
      return Optional.of(at(Path.of(named), environment));
    }
    for (String directory : Splitter.on(':').split(environment.getOrDefault("PATH", ""))) {
      Path program = Path.of(directory, "spack");
      if (!directory.isEmpty() && Files.isExecutable(program)) {
        Path bin = program.toRealPath().getParent();
        if (bin != null && bin.getParent() != null && isSpack(bin.getParent())) {
          return Optional.of(at(bin.getParent(), environment));
        }
      }
    }
    Path home = Path.of(System.getProperty("user.home"), "spack");
    return isSpack(home) ? Optional.of(at(home, environment)) : Optional.empty();
  }

  /** The program. */
  public Path program() {
    return root.resolve("bin/spack");
  }

  private static boolean isSpack(Path root) {
    return Files.isExecutable(root.resolve("bin/spack"))
        && Files.isDirectory(root.resolve("lib/spack/spack"));
  }

  private static SpackInstallation at(Path root, Map<String, String> environment)
      throws IOException {
    return new SpackInstallation(root.toAbsolutePath(), builtin(environment).orElse(null));
  }

  /** Named by SPACK_PACKAGES, beside Spack in the home, or where Spack itself cloned it. */
  private static Optional<Path> builtin(Map<String, String> environment) throws IOException {
    Path home = Path.of(System.getProperty("user.home"));
    List<Path> clones = new ArrayList<>();
    String named = environment.get("SPACK_PACKAGES");
    clones.add(named == null ? home.resolve("spack-packages") : Path.of(named));
    Path ofSpack =
        Path.of(
                environment.getOrDefault(
                    "SPACK_USER_CACHE_PATH", home.resolve(".spack").toString()))
            .resolve("package_repos");
    if (Files.isDirectory(ofSpack)) {
      try (Stream<Path> found = Files.list(ofSpack)) {
        found.sorted().forEach(clones::add);
      }
    }
    return clones.stream()
        .map(clone -> clone.resolve("repos/spack_repo/builtin"))
        .filter(Files::isDirectory)
        .findFirst();
  }
}
