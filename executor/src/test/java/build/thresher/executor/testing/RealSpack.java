package build.thresher.executor.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The Spack and the recipes of this machine, and a small world of packages, with the solved specs
 * {@code fl-suite.json} and {@code fl-broken.json}.
 */
public record RealSpack(Path core, Path builtin, Path world) {

  /** Its environment comes from the world's own file. */
  private static final String MAKE =
      """
      set -eu
      python3 ../deploy/src/main/spack-world/spack_world.py "$1" "$2" "$3"
      . "$1/env.sh"
      spack mirror create -d "$1/sources" compiler-wrapper
      for spec in fl-suite fl-broken; do spack spec --json $spec > "$1/$spec.json"; done
      """;

  /** Skips the calling test, saying why, where something is missing. */
  public static RealSpack orSkip() {
    Path home = Path.of(System.getProperty("user.home"));
    Path core = path(System.getenv("SPACK_ROOT"), home.resolve("spack"));
    Path packages = path(System.getenv("SPACK_PACKAGES"), home.resolve("spack-packages"));
    assumeTrue(Files.isExecutable(core.resolve("bin/spack")), "SKIPPED: no Spack at " + core);
    Path builtin = packages.resolve("repos/spack_repo/builtin");
    assumeTrue(Files.isDirectory(builtin), "SKIPPED: no recipes at " + builtin);
    return new RealSpack(core, builtin, world(core, builtin));
  }

  /** All test classes of a build share one; whichever comes first makes it. */
  private static Path world(Path core, Path builtin) {
    Path target = Path.of("target").toAbsolutePath();
    Path world = target.resolve("spack-world");
    Path done = target.resolve("spack-world.done");
    try (FileChannel file =
            FileChannel.open(
                target.resolve("spack-world.lock"),
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE);
        FileLock unused = file.lock()) {
      if (Files.notExists(done)) {
        FileTrees.delete(world);
        make(world, core, builtin, target.resolve("spack-world.log"));
        Files.createFile(done);
      }
      return world;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void make(Path world, Path core, Path builtin, Path log) throws IOException {
    Process making =
        new ProcessBuilder(
                List.of(
                    "bash",
                    "-c",
                    MAKE,
                    "make",
                    world.toString(),
                    core.toString(),
                    builtin.toString()))
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    if (making.onExit().join().exitValue() != 0) {
      throw new IOException("no world of packages:\n" + Files.readString(log));
    }
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
    copy(world.resolve("repos/spack_repo/fl"), into.resolve("fl"));
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
