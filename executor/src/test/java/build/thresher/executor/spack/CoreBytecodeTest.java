package build.thresher.executor.spack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.sandbox.Bubblewrap;
import build.thresher.executor.sandbox.ControlGroups;
import build.thresher.executor.sandbox.HostSettings;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Sandbox;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With a real Python in a real sandbox. */
class CoreBytecodeTest {
  private static final String HASH = "ycwj2nifpyemgx4sjjhvonzqxs3iczf3";

  private final boolean root = "root".equals(System.getProperty("user.name"));
  @TempDir Path temporary;
  private Sandbox sandbox;
  private Path core;
  private Path library;

  @BeforeEach
  void prepare() throws Exception {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/bwrap")), "no bubblewrap on this host");
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/python3")), "no Python on this host");
    Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString("rwxr-xr-x"));
    HostSettings.write(temporary.resolve("etc"), List.of());
    sandbox =
        new Sandbox(
            new Bubblewrap(temporary, temporary.resolve("etc"), List.of(), root, Optional.empty()),
            ControlGroups.prepare("test-" + ProcessHandle.current().pid()),
            "/usr/bin/python3",
            System::nanoTime);
    core = FileTrees.createReadable(temporary.resolve("core"));
    library = FileTrees.createReadable(core.resolve("lib/spack"));
  }

  @AfterEach
  void close() {
    if (sandbox != null) {
      sandbox.close();
    }
  }

  private void compile() throws Exception {
    Path slot = FileTrees.createReadable(temporary.resolve("slot"));
    new CoreBytecode(sandbox, "/usr/bin/python3")
        .addTo(core, HASH, new BuildSlot(slot, root ? 64100 : -1), new KillSwitch());
    try (Stream<Path> left = Files.list(slot)) {
      assertEquals(0, left.count(), "the slot is the build's, and empty");
    }
  }

  private static long compiled(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      return files.filter(file -> file.toString().endsWith(".pyc")).count();
    }
  }

  @Test
  void modulesAreCompiledAndPythonTakesThem() throws Exception {
    Files.writeString(library.resolve("answer.py"), "ANSWER = 42\n");
    Files.createDirectory(library.resolve("inner"));
    Files.writeString(library.resolve("inner/more.py"), "import answer\n");
    compile();
    assertEquals(2, compiled(library));
    Process python =
        new ProcessBuilder("/usr/bin/python3", "-v", "-c", "import inner.more")
            .directory(library.toFile())
            .redirectErrorStream(true)
            .start();
    String said = new String(python.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, python.waitFor(), said);
    assertTrue(said.contains("# code object from '" + library + "/__pycache__/answer."), said);
    assertTrue(said.contains("# code object from '" + library + "/inner/__pycache__/more."), said);
  }

  @Test
  void whatCannotBeCompiledIsLeftOutAndNothingIsExecuted() throws Exception {
    Files.writeString(library.resolve("broken.py"), "def (:\n");
    Files.writeString(library.resolve("zero.py"), "a = 1\0\n");
    Files.writeString(library.resolve("deep.py"), "(".repeat(100_000) + ")".repeat(100_000));
    Files.writeString(library.resolve("good.py"), "raise SystemExit('executed')\n");
    compile();
    assertEquals(1, compiled(library));
    assertTrue(Files.isDirectory(library.resolve("__pycache__")));
  }

  @Test
  void linksOfTheTreeAreNotFollowed() throws Exception {
    Path outside = Files.createDirectory(temporary.resolve("outside"));
    Files.writeString(outside.resolve("secret.py"), "SECRET = 1\n");
    Files.createSymbolicLink(library.resolve("out"), outside);
    Path inner = Files.createDirectory(library.resolve("inner"));
    Files.writeString(inner.resolve("more.py"), "MORE = 1\n");
    Files.createSymbolicLink(inner.resolve("__pycache__"), outside);
    compile();
    assertEquals(0, compiled(outside));
    assertEquals(0, compiled(library));
    assertFalse(Files.exists(outside.resolve("__pycache__")));
  }

  @Test
  void testsOfSpackAreNotWorthIt() throws Exception {
    Files.createDirectories(library.resolve("spack/test"));
    Files.writeString(library.resolve("spack/test/long.py"), "A = 1\n");
    compile();
    assertEquals(0, compiled(library));
  }
}
