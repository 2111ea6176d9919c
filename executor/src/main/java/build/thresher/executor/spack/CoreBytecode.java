package build.thresher.executor.spack;

import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.sandbox.Bind;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Limits;
import build.thresher.executor.sandbox.Sandbox;
import build.thresher.executor.sandbox.SandboxResult;
import build.thresher.executor.sandbox.SandboxSpec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compiles the Python modules of a Spack core once, where it is kept for all builds: a build cannot
 * write there, and would compile some 260 modules at each start, which takes Python as long as all
 * else that it does until Spack runs.
 *
 * <p>Clients' bytecode is never taken. The compiler reads a client's text, so it runs in the
 * sandbox, and what it leaves there is copied as files that belong to the executor. It executes
 * nothing of that text. Without bytecode builds only start later, so a failure is no error.
 * Thread-safe.
 */
final class CoreBytecode {
  private static final Logger log = LoggerFactory.getLogger(CoreBytecode.class);

  private static final String LIBRARY = "lib/spack";
  private static final String NOT_FOR_BUILDS = "/(docs|test|tests)/";
  private static final Limits LIMITS =
      new Limits(Duration.ofMinutes(5), 2L << 30, 64, 1L << 30, 100_000);

  private final Sandbox sandbox;
  private final String python;

  /**
   * @param python the interpreter that will run Spack
   */
  CoreBytecode(Sandbox sandbox, String python) {
    this.sandbox = sandbox;
    this.python = python;
  }

  /**
   * Adds bytecode to a Spack core that nobody uses yet.
   *
   * @param hash of the node that the core is wanted for
   * @param slot of the build that the core is wanted for
   */
  void addTo(Path core, String hash, BuildSlot slot, KillSwitch kill)
      throws IOException, InterruptedException {
    Path out = slot.own("bytecode");
    StringBuilder said = new StringBuilder();
    SandboxResult result =
        sandbox.run(
            compiler(core, out, hash, slot),
            (bytes, count) -> said.append(new String(bytes, 0, count, StandardCharsets.UTF_8)),
            kill);
    if (result.end() != SandboxResult.End.EXITED || result.exitCode() != 0) {
      log.info("{}: not all of Spack could be compiled: {} {}", hash, result.end(), said);
    }
    Path compiled = out.toRealPath().resolve(SpackLayout.CORE.substring(1));
    try (Stream<Path> files = Files.walk(core.resolve(LIBRARY))) {
      for (Path directory : (Iterable<Path>) files.filter(CoreBytecode::isDirectory)::iterator) {
        add(compiled.resolve(core.relativize(directory).toString()), directory);
      }
    }
    FileTrees.delete(out);
  }

  private SandboxSpec compiler(Path core, Path out, String hash, BuildSlot slot) {
    return new SandboxSpec(
        hash + ".bytecode",
        List.of(Bind.readOnly(core, SpackLayout.CORE), Bind.writable(out, SpackLayout.OUT)),
        Map.of("PATH", "/usr/bin:/bin", "LC_ALL", "C.UTF-8"),
        "/",
        List.of(
            python,
            "-I",
            "-X",
            "pycache_prefix=" + SpackLayout.OUT,
            "-m",
            "compileall",
            "-q",
            "-j2",
            // Times of files differ from host to host; the tree never changes.
            "--invalidation-mode=unchecked-hash",
            "-x",
            NOT_FOR_BUILDS,
            SpackLayout.CORE + "/" + LIBRARY),
        LIMITS,
        slot.directory(),
        slot.uid());
  }

  /** Takes plain files from plain directories only: who broke the compiler may have left links. */
  private static void add(Path compiled, Path directory) throws IOException {
    Path cache = directory.resolve("__pycache__");
    if (!isDirectory(compiled)
        || !compiled.toRealPath().equals(compiled)
        || Files.exists(cache, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    FileTrees.createReadable(cache);
    try (Stream<Path> files = Files.list(compiled)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
            && file.toString().endsWith(".pyc")) {
          // Not copied with its mode, which might make it run as the executor's user.
          Path taken =
              Files.write(cache.resolve(file.getFileName().toString()), Files.readAllBytes(file));
          Files.setPosixFilePermissions(taken, PosixFilePermissions.fromString("rw-r--r--"));
        }
      }
    }
  }

  private static boolean isDirectory(Path path) {
    return Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS);
  }
}
