package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bazel, as it is installed, on an executor that has no sandbox. */
class PlainExecutorTest {
  private final Path directory;

  PlainExecutorTest(@TempDir Path directory) {
    this.directory = directory;
  }

  @BeforeEach
  void requireBazel() {
    assumeTrue(
        Bazel.isInstalled(), "no Bazel 4 on this host (Debian: apt install bazel-bootstrap)");
  }

  @Test
  void itBuildsWhereTheInstanceAllowsIt() throws Exception {
    try (FarmUnderTest farm =
            FarmUnderTest.start(
                directory.resolve("farm"), "executor.sandbox=plain", "actions.plain=[default]");
        Bazel bazel = Bazel.of(Files.createDirectory(directory.resolve("one")), farm)) {
      bazel.run("build", "//:said", "//:linked").succeeded();
      assertEquals("42\n", Files.readString(bazel.output("said.txt")));
      bazel.run("build", "//:said", "--remote_default_exec_properties=sandbox=plain").succeeded();
      Bazel.Result wantsMore =
          bazel.run(
              "build", "//:failing", "--remote_default_exec_properties=chrootIntoInputRoot=true");
      assertNotEquals(0, wantsMore.exit(), wantsMore.output());
      assertTrue(wantsMore.output().contains("chrootintoinputroot=true"), wantsMore.output());
    }
  }

  @Test
  void elsewhereItGetsNoWorkAndWhoAsksIsToldWhy() throws Exception {
    try (FarmUnderTest farm =
            FarmUnderTest.start(directory.resolve("farm"), "executor.sandbox=plain");
        Bazel bazel = Bazel.of(Files.createDirectory(directory.resolve("one")), farm)) {
      Bazel.Result refused = bazel.run("build", "//:said");
      assertNotEquals(0, refused.exit(), refused.output());
      assertTrue(refused.output().contains("it has no sandbox"), refused.output());
      String log = Files.readString(directory.resolve("farm/server-1.log"));
      assertTrue(log.contains("actions.plain names no instance that allows that"), log);
    }
  }
}
