package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.base.Splitter;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** The image with a Java of its own, on a machine whose every JDK is hidden. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(SharedWorld.class)
class ImageTest {
  private static final Path ASSEMBLE = Path.of("assemble").toAbsolutePath();

  private final SpackWorld world;
  private final Path directory;

  ImageTest(SpackWorld world, @TempDir Path directory) {
    this.world = world;
    this.directory = directory;
  }

  @BeforeAll
  void makeAndMove() throws Exception {
    assumeTrue(
        Splitter.on(File.pathSeparatorChar)
            .splitToStream(Objects.requireNonNullElse(System.getenv("PATH"), ""))
            .anyMatch(path -> Files.isExecutable(Path.of(path, "bwrap"))),
        "SKIPPED: bubblewrap, which hides the JDKs, is not installed");
    Path made = directory.resolve("made");
    Processes.run(
            directory,
            Map.of("THRESHER_WARM_UP", "start"),
            List.of(ASSEMBLE.toString(), "--image", made.toString()))
        .succeeded();
    Files.move(made, directory.resolve("image"));
  }

  @Test
  void withoutAnyJavaTheProgramSaysWhatToInstall() throws Exception {
    Processes.Ended plain =
        Processes.run(
            directory, Map.of(), withoutJava(FarmUnderTest.PROGRAM.toString(), "--version"));
    assertEquals(1, plain.exit(), plain.output());
    assertTrue(plain.output().contains("no Java 25 or newer was found"), plain.output());
  }

  @Test
  void theImageServesBuildsAndAnswersWhereverItWasMoved() throws Exception {
    String program = directory.resolve("image/bin/thresher").toString();
    Solved.Root core = SharedWorld.solved(world).root("fl-core");
    try (FarmUnderTest farm =
        FarmUnderTest.start(withoutJava(program), directory.resolve("farm"), "executor.slots=1")) {
      assertTrue(farm.thresher("status").succeeded().output().contains("0 of 1 slots busy"));
      farm.thresher("build", core.plan().toString()).succeeded();
    }
  }

  /** A command on this machine with nothing where a Java is found. */
  private static List<String> withoutJava(String... command) {
    List<String> hidden =
        new ArrayList<>(
            List.of("bwrap", "--die-with-parent", "--cap-add", "ALL", "--dev-bind", "/", "/"));
    Stream.of("/usr/lib/jvm", System.getProperty("java.home"), System.getenv("JAVA_HOME"))
        .filter(path -> path != null && Files.isDirectory(Path.of(path)))
        .distinct()
        .forEach(path -> hidden.addAll(List.of("--tmpfs", path)));
    hidden.addAll(List.of("--unsetenv", "JAVA_HOME", "--unsetenv", "THRESHER_JAVA_HOME"));
    hidden.addAll(List.of("--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/nonexistent"));
    hidden.addAll(List.of(command));
    return hidden;
  }
}
