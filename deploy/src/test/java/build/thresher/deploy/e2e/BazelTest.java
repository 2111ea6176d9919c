package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Bazel, as it is installed, builds a C program on a farm. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BazelTest {
  private final Path directory;
  private FarmUnderTest farm;
  private Bazel bazel;

  BazelTest(@TempDir Path directory) {
    this.directory = directory;
  }

  @BeforeAll
  void start() throws Exception {
    assumeTrue(
        Bazel.isInstalled(), "no Bazel 4 on this host (Debian: apt install bazel-bootstrap)");
    farm =
        FarmUnderTest.start(
            directory.resolve("farm"), "executor.local=false", "scheduler.lease_term=6s");
    farm.startExecutor("first");
    bazel = Bazel.of(Files.createDirectory(directory.resolve("one")), farm);
  }

  @AfterAll
  void stop() throws Exception {
    if (bazel != null) {
      bazel.close();
    }
    if (farm != null) {
      farm.close();
    }
  }

  @Test
  void oneBuildsAnotherTakesWhatWasBuiltAndAChangeBuildsOnlyWhatDependsOnIt() throws Exception {
    Bazel.Result clean = bazel.run("build", "//:said", "//:linked").succeeded();
    assertEquals("42\n", Files.readString(bazel.output("said.txt")));
    assertEquals(0, clean.hits(), clean.output());
    try (Bazel other = Bazel.of(Files.createDirectory(directory.resolve("two")), farm)) {
      Bazel.Result again = other.run("build", "//:said", "//:linked").succeeded();
      assertEquals("42\n", Files.readString(other.output("said.txt")));
      assertEquals("deep\n", Files.readString(other.output("tree/link.txt")));
      assertTrue(Files.isSymbolicLink(other.output("tree/link.txt")));
      assertEquals(0, again.ran(), again.output());
      assertEquals(clean.ran(), again.hits(), again.output());
      other.edit("alpha.c", "#include \"alpha.h\"\n\nint alpha(void) { return 50; }\n");
      Bazel.Result changed = other.run("build", "//:said", "//:linked").succeeded();
      assertEquals("52\n", Files.readString(other.output("said.txt")));
      assertEquals(3, changed.ran(), "compiles one file, links, runs: " + changed.output());
      assertEquals(0, changed.hits(), changed.output());
    }
  }

  @Test
  void aTestRunsOnTheFarm() throws Exception {
    Bazel.Result result = bazel.run("test", "//:hello_test").succeeded();
    assertTrue(result.output().contains("PASSED"), result.output());
    assertNotEquals(0, result.ran(), result.output());
  }

  @Test
  void whatAFailedActionSaidIsShown() throws Exception {
    Bazel.Result result = bazel.run("build", "//:failing");
    assertEquals(1, result.exit(), result.output());
    assertTrue(result.output().contains("(Exit 3)"), result.output());
    assertTrue(result.output().contains("it went wrong"), result.output());
  }

  @Test
  void whatNoExecutorOffersFailsAtOnceAndSaysWhy() throws Exception {
    Bazel.Result result =
        bazel.run("build", "//:failing", "--remote_default_exec_properties=OSFamily=Plan9");
    assertNotEquals(0, result.exit(), result.output());
    assertTrue(result.output().contains("osfamily=plan9"), result.output());
  }

  @Test
  void withoutATokenNothingIsBuilt() throws Exception {
    try (Bazel stranger =
        Bazel.withoutToken(Files.createDirectory(directory.resolve("stranger")), farm)) {
      Bazel.Result result = stranger.run("build", "//:said");
      assertNotEquals(0, result.exit(), result.output());
      assertTrue(result.output().contains("UNAUTHENTICATED"), result.output());
    }
  }

  @Test
  void anExecutorThatIsKilledInMidBuildIsReplacedByAnother() throws Exception {
    Bazel.Running running = startNap("4.0511");
    farm.killExecutors();
    farm.startExecutor("second");
    running.await().succeeded();
    assertEquals("rested\n", Files.readString(bazel.output("slow.txt")));
  }

  @Test
  void aServerThatIsKilledInMidBuildGoesOnWhereItWas() throws Exception {
    Bazel.Running running = startNap("5.0512");
    int ended = farm.logs().split(": exit code 0 in", -1).length;
    farm.killServer();
    farm.startServer();
    running.await().succeeded();
    assertEquals("rested\n", Files.readString(bazel.output("slow.txt")));
    assertEquals(
        ended + 1, farm.logs().split(": exit code 0 in", -1).length, "it did not run twice");
  }

  @Tag("long")
  @Test
  void aServerThatIsAwayWhenTheActionEndsGetsItsResultLater() throws Exception {
    Bazel.Running running = startNap("2.0513");
    farm.killServer();
    Processes.until(
        "the action has ended", () -> Processes.withCommandLine("sleep 2.0513").isEmpty());
    Thread.sleep(3000);
    farm.startServer();
    running.await().succeeded();
    assertTrue(farm.logs().contains("Patience: tried again"), farm.logs());
  }

  private Bazel.Running startNap(String seconds) throws Exception {
    bazel.edit("nap.txt", seconds + "\n");
    Bazel.Running running = bazel.start("build", "//:slow");
    Processes.until(
        "the action sleeps", () -> !Processes.withCommandLine("sleep " + seconds).isEmpty());
    return running;
  }
}
