package build.thresher.executor.action;

import static build.thresher.executor.action.ActionBench.shell;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Command.EnvironmentVariable;
import build.bazel.remote.execution.v2.ExecutedActionMetadata;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree;
import build.thresher.executor.action.ActionReport.Abandoned;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.testing.RealControlGroups;
import build.thresher.executor.testing.RunningProcesses;
import build.thresher.v1.FailureClass;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an action's surroundings are like, and how it ends. */
final class ActionSandboxTest {
  private final Path temporary;
  private ActionBench bench;

  ActionSandboxTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void open() throws Exception {
    bench = new ActionBench(temporary);
  }

  @AfterEach
  void close() throws Exception {
    if (bench != null) {
      bench.close();
    }
  }

  @Test
  void theEnvironmentIsTheCommandsWithAPathWhereItHasNone() throws Exception {
    Command.Builder env = Command.newBuilder().addArguments("env");
    assertEquals(
        List.of("PATH=" + ActionCommand.DEFAULT_PATH, "PWD=" + ActionSandbox.ROOT),
        bench.run(env, Digest.EMPTY).stdout().lines().sorted().toList());
    Command.Builder own =
        Command.newBuilder()
            .addArguments("/usr/bin/env")
            .addEnvironmentVariables(variable("EMPTY", ""))
            .addEnvironmentVariables(variable("LINES", "a\nb = c"))
            .addEnvironmentVariables(variable("PATH", "/nowhere"));
    assertEquals(
        "EMPTY=\nLINES=a\nb = c\nPATH=/nowhere\nPWD=" + ActionSandbox.ROOT + "\n",
        bench.run(own, Digest.EMPTY).stdout());
  }

  private static EnvironmentVariable variable(String name, String value) {
    return EnvironmentVariable.newBuilder().setName(name).setValue(value).build();
  }

  @Test
  void aProgramIsFoundRelativeToTheWorkingDirectory() throws Exception {
    Digest inputs =
        bench.upload(
            LocalTree.builder()
                .addBytes("w/bin/tool", ActionBench.bytes("#!/bin/sh\necho $0 $1\n"), true)
                .addBytes("w/data", ActionBench.bytes("no program"), false));
    Command.Builder tool =
        Command.newBuilder().addArguments("bin/tool").addArguments("a b").setWorkingDirectory("w");
    assertEquals("bin/tool a b\n", bench.run(tool, inputs).stdout());
    Command.Builder data = Command.newBuilder().addArguments("./data").setWorkingDirectory("w");
    assertEquals(126, bench.run(data, inputs).result().getExitCode());
  }

  @Test
  void aSignalIsAnExitCodeAsShellsCountIt() throws Exception {
    assertEquals(128 + 15, bench.run(shell("kill -TERM $$"), Digest.EMPTY).result().getExitCode());
  }

  @Test
  void anActionThatTakesTooLongIsKilledWithAllItsProcesses() throws Exception {
    ActionBench.Run run =
        bench.run(
            shell("echo begun; setsid sleep 4321 & (sleep 4321 &); sleep 4321"),
            Digest.EMPTY,
            Duration.ofSeconds(5),
            new KillSwitch());
    assertEquals(FailureClass.FAILURE_TIMEOUT, run.failure().kind());
    assertEquals("begun\n", run.stdout());
    assertNothingSleeps("4321");
  }

  @Test
  void whatAnActionLeavesRunningDiesWithIt() throws Exception {
    bench.run(shell("setsid sleep 4322 > /dev/null 2>&1 & exit 0"), Digest.EMPTY).result();
    assertNothingSleeps("4322");
  }

  /** Not one for so many seconds, or for a number that begins so; what was killed may be ending. */
  static void assertNothingSleeps(String seconds) throws InterruptedException {
    long deadline = System.nanoTime() + 5_000_000_000L;
    while (RunningProcesses.sleeps(seconds) && System.nanoTime() < deadline) {
      Thread.sleep(20);
    }
    assertFalse(RunningProcesses.sleeps(seconds));
  }

  @Test
  void aKilledActionLeavesNothing() throws Exception {
    KillSwitch kill = new KillSwitch();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<ActionBench.Run> run =
          threads.submit(
              () -> bench.run(shell("sleep 4323"), Digest.EMPTY, Duration.ofMinutes(1), kill));
      kill.kill();
      assertTrue(run.get().report().outcome() instanceof Abandoned);
    }
    assertNothingSleeps("4323");
    assertFalse(
        Files.readString(Path.of("/proc/self/mountinfo")).contains("upperdir=" + temporary),
        "no mount is left");
  }

  @Test
  void thereIsNoNetworkUnlessThePolicyAllowsIt() throws Exception {
    String devices = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '";
    assertEquals("lo\n", bench.run(shell(devices), Digest.EMPTY, "dockerNetwork=on").stdout());
    ActionOptions d = ActionOptions.defaults();
    bench.reopen(d.with(d.properties(), d.cacheBytes(), true));
    String host =
        Files.readAllLines(Path.of("/proc/net/dev")).stream()
            .skip(2)
            .map(line -> line.substring(0, line.indexOf(':')).strip() + "\n")
            .reduce("", String::concat);
    assertEquals(host, bench.run(shell(devices), Digest.EMPTY, "dockerNetwork=on").stdout());
    assertEquals("lo\n", bench.run(shell(devices), Digest.EMPTY).stdout());
  }

  @Test
  void theHostIsReadOnlyAndTemporaryFilesAreTheActionsOwn() throws Exception {
    ActionBench.Run run =
        bench.run(
            shell(
                "touch /usr/x 2> /dev/null || echo no; touch /tmp/x && ls /tmp; ls /home /root"
                    + " /var /run 2> /dev/null | wc -l"),
            Digest.EMPTY);
    assertEquals("no\nx\n0\n", run.stdout());
    assertEquals("", bench.run(shell("ls /tmp"), Digest.EMPTY).stdout());
  }

  @Test
  void aForkBombIsBoundedAndDiesWithItsAction() throws Exception {
    ActionOptions d = ActionOptions.defaults();
    bench.reopen(
        new ActionOptions(
            d.properties(),
            d.cacheBytes(),
            d.timeout(),
            d.memoryBytes(),
            100,
            d.diskBytes(),
            d.files(),
            false,
            d.inlineBytes(),
            d.images(),
            d.plain()));
    ActionBench.Run run =
        bench.run(
            shell("f() { sleep 4324 & f; }; f"),
            Digest.EMPTY,
            Duration.ofSeconds(5),
            new KillSwitch());
    assertTrue(run.stderr().contains("fork") || run.stderr().contains("ork"), run::stderr);
    assertNothingSleeps("4324");
    String bomb = RunningProcesses.unique("sleep 4324");
    assertFalse(RunningProcesses.any(line -> line.contains(bomb)));
    assertEquals("well\n", bench.run(shell("echo well"), Digest.EMPTY).stdout());
  }

  @Test
  void aResultSaysWhenEachPartWas() throws Exception {
    ExecutedActionMetadata m =
        bench.run(shell("true"), Digest.EMPTY).result().getExecutionMetadata();
    assertEquals("bench", m.getWorker());
    List<com.google.protobuf.Timestamp> order =
        List.of(
            m.getWorkerStartTimestamp(),
            m.getInputFetchStartTimestamp(),
            m.getInputFetchCompletedTimestamp(),
            m.getExecutionStartTimestamp(),
            m.getExecutionCompletedTimestamp(),
            m.getOutputUploadStartTimestamp(),
            m.getOutputUploadCompletedTimestamp(),
            m.getWorkerCompletedTimestamp());
    List<com.google.protobuf.Timestamp> sorted = new ArrayList<>(order);
    sorted.sort(
        java.util.Comparator.comparingLong(com.google.protobuf.Timestamp::getSeconds)
            .thenComparingInt(com.google.protobuf.Timestamp::getNanos));
    assertEquals(sorted, order);
  }

  @Test
  void manyActionsShareOneRootAtOnce() throws Exception {
    Digest inputs =
        bench.upload(LocalTree.builder().addBytes("a/b", ActionBench.bytes("shared"), false));
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<String>> runs = new ArrayList<>();
      for (int i = 0; i < 24; i++) {
        int number = i;
        runs.add(
            threads.submit(
                () ->
                    bench
                        .run(
                            shell("echo " + number + " >> a/b; cat a/b").addOutputPaths("a/b"),
                            inputs)
                        .stdout()));
      }
      for (int i = 0; i < 24; i++) {
        assertEquals("shared" + i + "\n", runs.get(i).get());
      }
    }
  }

  @Test
  void theInputRootCanBeTheRootOfTheFileSystem() throws Exception {
    LocalTree.Builder tree =
        LocalTree.builder().addFile("bin/sh", Path.of("/bin/sh"), true).addDirectory("data");
    for (String line : linked("/bin/sh")) {
      tree.addFile(line.substring(1), Path.of(line), true);
    }
    Digest inputs = bench.upload(tree);
    Command.Builder look =
        shell(
                "echo /*; pwd; echo made > /made; cd /; echo proc/1/stat; test -c dev/null && echo null")
            .setWorkingDirectory("data")
            .addOutputPaths("file");
    ActionBench.Run run = bench.run(look, inputs, "chrootIntoInputRoot=true");
    assertEquals(0, run.result().getExitCode(), run::stderr);
    List<String> lines = run.stdout().lines().toList();
    assertTrue(lines.getFirst().contains("/bin /data /dev"), run::stdout);
    assertFalse(lines.getFirst().contains("/usr"), run::stdout);
    assertEquals(List.of("/data", "proc/1/stat", "null"), lines.subList(1, 4));
    assertFalse(bench.run(look, inputs, "chrootIntoInputRoot=true").stdout().contains("made"));
  }

  /** The libraries that a program of this host loads. */
  private static List<String> linked(String program) throws Exception {
    Process ldd = new ProcessBuilder("ldd", program).start();
    String text =
        new String(ldd.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    return java.util.regex.Pattern.compile("/[^ ]+")
        .matcher(text)
        .results()
        .map(java.util.regex.MatchResult::group)
        .toList();
  }

  @Test
  void memoryAndProcessorsAreLimitedByProperties() throws Exception {
    ActionBench.Run hungry =
        bench.run(
            shell("python3 -c 'x = bytearray(200 << 20); print(len(x))'"),
            Digest.EMPTY,
            "max-memory=50M");
    assumeTrue(RealControlGroups.have("memory"), "no control group for memory");
    assertEquals(FailureClass.FAILURE_OUT_OF_MEMORY, hungry.failure().kind());
    assertTrue(hungry.failure().message().contains("52428800"), hungry.failure().message());
    String busy =
        """
        import time
        begun, used = time.time(), time.process_time()
        while time.process_time() - used < 0.3: pass
        print(time.time() - begun)
        """;
    String seconds =
        bench
            .run(
                Command.newBuilder().addAllArguments(List.of("python3", "-c", busy)),
                Digest.EMPTY,
                "cpus=0.2")
            .stdout();
    assertTrue(Double.parseDouble(seconds) > 3 * 0.3, seconds); // at most a fifth of a processor
    var nonsense = bench.run(shell("true"), Digest.EMPTY, "memory=plenty").failure();
    assertEquals(FailureClass.FAILURE_INPUT, nonsense.kind());
  }
}
