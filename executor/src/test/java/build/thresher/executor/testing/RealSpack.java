package build.thresher.executor.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The Spack, the recipes and the small world of packages on this machine, where they are. */
public record RealSpack(Path core, Path builtin, Path world) {

  /** Skips the calling test, saying why, where something is missing. */
  public static RealSpack orSkip() {
    Path home = Path.of(System.getProperty("user.home"));
    Path core =
        path(
            System.getenv("THRESHER_TEST_SPACK"),
            path(System.getenv("SPACK_ROOT"), home.resolve("spack")));
    Path packages =
        path(System.getenv("THRESHER_TEST_SPACK_PACKAGES"), home.resolve("spack-packages"));
    Path world = path(System.getenv("THRESHER_TEST_FARMLAB"), home.resolve("farmlab"));
    assumeTrue(Files.isExecutable(core.resolve("bin/spack")), "no Spack at " + core);
    Path builtin = packages.resolve("repos/spack_repo/builtin");
    assumeTrue(Files.isDirectory(builtin), "no recipes at " + builtin);
    assumeTrue(
        Files.isRegularFile(world.resolve("fl-suite.json")), "no concrete fl-suite at " + world);
    return new RealSpack(core, builtin, world);
  }

  private static Path path(@Nullable String text, Path otherwise) {
    return text == null || text.isEmpty() ? otherwise : Path.of(text);
  }

  /** Copies what clients send of their Spack. */
  public void copyCore(Path into) throws IOException {
    for (String part : List.of("bin", "lib", "share/spack", "etc/spack/defaults")) {
      copy(core.resolve(part), into.resolve(part));
    }
  }

  /** Copies the recipes of these packages of builtin, with the whole small repo. */
  public void copyRecipes(Path into, List<String> builtinPackages) throws IOException {
    copy(world.resolve("repos/spack_repo/farmlab"), into.resolve("farmlab"));
    copy(builtin.resolve("repo.yaml"), into.resolve("builtin/repo.yaml"));
    copy(builtin.resolve("build_systems"), into.resolve("builtin/build_systems"));
    for (String name : builtinPackages) {
      copy(builtin.resolve("packages/" + name), into.resolve("builtin/packages/" + name));
    }
  }

  /** Copies a tree, links as links, without Python's caches. */
  public static void copy(Path from, Path to) throws IOException {
    Path parent = to.getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    try (Stream<Path> paths = Files.walk(from)) {
      for (Path path : paths.toList()) {
        if (path.toString().contains("__pycache__")) {
          continue;
        }
        if (path.equals(from) && Files.isDirectory(to)) {
          continue;
        }
        Files.copy(path, to.resolve(from.relativize(path).toString()), LinkOption.NOFOLLOW_LINKS);
      }
    }
  }
}
