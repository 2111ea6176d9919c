package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.deploy.demo.ActionDemo;
import build.thresher.deploy.demo.SpackInstallation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What somebody sees who has only just fetched this. */
class DemoTest {
  private static final String PROGRAM =
      Path.of("target/thresher/bin/thresher").toAbsolutePath().toString();

  @TempDir Path dir;

  private void needCompiler() {
    assumeTrue(ActionDemo.compiler().isPresent(), "SKIPPED: no C compiler in /usr/bin");
  }

  /** With a home of its own, in which there is neither Spack nor recipe. */
  private Processes.Ended demo(Map<String, String> environment, String... options)
      throws Exception {
    Path home = Files.createDirectories(dir.resolve("home"));
    List<String> command =
        new ArrayList<>(List.of("env", "-u", "SPACK_ROOT", "-u", "SPACK_PACKAGES"));
    command.addAll(List.of("HOME=" + home, "TMPDIR=" + dir, "PATH=/usr/bin:/bin"));
    environment.forEach((name, value) -> command.add(name + "=" + value));
    command.addAll(List.of(PROGRAM, "demo"));
    command.addAll(List.of(options));
    return Processes.run(dir, Map.of(), command);
  }

  @Test
  void withoutSpackACProgramIsBuiltAndTheWayToSpackIsTold() throws Exception {
    needCompiler();
    String said = demo(Map.of()).succeeded().output();
    assertTrue(said.contains("31 actions ran, 0 were taken from the cache"), said);
    assertTrue(said.contains("0 actions ran, 31 were taken from the cache"), said);
    assertTrue(said.contains("4 actions ran, 27 were taken from the cache"), said);
    assertTrue(said.contains("git clone"), said);
    assertFalse(said.contains("Everything is kept in"), said);
  }

  @Test
  void aSpackWithoutItsPackagesIsNotTheEndOfIt() throws Exception {
    needCompiler();
    Optional<SpackInstallation> spack = SpackInstallation.find(System.getenv());
    assumeTrue(spack.isPresent(), "SKIPPED: no Spack found (SPACK_ROOT, PATH, ~/spack)");
    // Nothing may be fetched, wherever this runs.
    Map<String, String> environment =
        Map.of("SPACK_ROOT", spack.orElseThrow().root().toString(), "GIT_ALLOW_PROTOCOL", "none");
    String said = demo(environment).succeeded().output();
    assertTrue(said.contains("4 actions ran, 27 were taken from the cache"), said);
    assertTrue(said.contains("SPACK_PACKAGES"), said);
  }

  @Test
  void anExecutorWithoutATokenSaysSoAndEnds() throws Exception {
    Path token = dir.resolve("none");
    Processes.Ended ended =
        Processes.run(
            dir,
            Map.of(),
            List.of(PROGRAM, "executor", "--server=127.0.0.1:1", "--token-file=" + token));
    assertTrue(ended.exit() != 0, ended.output());
    assertTrue(ended.output().contains("there is no token in " + token), ended.output());
    assertTrue(ended.output().contains("--token-file"), ended.output());
  }

  @Test
  void rulesAreBrokenOnlyByAServerThatIsThere() throws Exception {
    Processes.Ended ended =
        Processes.run(dir, Map.of(), List.of(PROGRAM, "conformance", "127.0.0.1:1"));
    assertEquals(4, ended.exit(), ended.output());
    assertTrue(ended.output().contains("127.0.0.1:1 cannot be reached"), ended.output());
  }
}
