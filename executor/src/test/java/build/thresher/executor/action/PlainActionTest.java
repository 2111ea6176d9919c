package build.thresher.executor.action;

import static build.thresher.executor.action.ActionBench.bytes;
import static build.thresher.executor.action.ActionBench.shell;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Command.EnvironmentVariable;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree;
import build.thresher.executor.action.ActionReport.Abandoned;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.testing.RunningProcesses;
import build.thresher.v1.FailureClass;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Actions without a sandbox: what still holds there. */
final class PlainActionTest {
  private final Path temporary;

  PlainActionTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  private ActionBench open(boolean controlGroups) throws Exception {
    return new ActionBench(temporary, ActionOptions.defaults().withPlain(true), controlGroups);
  }

  private ActionBench open() throws Exception {
    return open(true);
  }

  @Test
  void anActionStartsInItsRootWithItsEnvironmentAndNothingElse() throws Exception {
    try (ActionBench bench = open()) {
      Command.Builder env =
          Command.newBuilder()
              .addArguments("env")
              .addEnvironmentVariables(
                  EnvironmentVariable.newBuilder().setName("LINES").setValue("a\nb = c"));
      List<String> seen = bench.run(env, Digest.EMPTY).stdout().lines().sorted().toList();
      assertEquals(5, seen.size(), seen::toString);
      assertEquals(List.of("LINES=a", "PATH=" + ActionCommand.DEFAULT_PATH), seen.subList(0, 2));
      assertTrue(seen.get(2).matches("PWD=.*/builds/1/build/own/root"), seen::toString);
      assertTrue(seen.get(3).matches("TMPDIR=.*/builds/1/build/own/tmp"), seen::toString);
      assertEquals("b = c", seen.get(4));
      assertEquals(
          "/builds/2/build/own/root/w",
          bench
              .run(shell("pwd").setWorkingDirectory("w"), Digest.EMPTY)
              .stdout()
              .strip()
              .replaceFirst(".*(?=/builds/)", ""));
    }
  }

  @Test
  void aProgramIsFoundAsAShellWouldOrToldOfAsAShellDoes() throws Exception {
    try (ActionBench bench = open()) {
      Digest inputs =
          bench.upload(
              LocalTree.builder()
                  .addBytes("bin/tool", bytes("#!/bin/sh\necho $0 $1\n"), true)
                  .addBytes("bin/lines", bytes("echo no first line: $1\n"), true)
                  .addBytes("here", bytes("#!/bin/sh\necho not on the PATH\n"), true)
                  .addBytes("data", bytes("no program"), false));
      assertEquals("bin/tool a\n", bench.run(words("bin/tool", "a"), inputs).stdout());
      assertEquals("no first line: b\n", bench.run(words("bin/lines", "b"), inputs).stdout());
      Command.Builder onPath =
          words("lines", "c")
              .addEnvironmentVariables(
                  EnvironmentVariable.newBuilder().setName("PATH").setValue("/nowhere:bin"));
      assertEquals("no first line: c\n", bench.run(onPath, inputs).stdout());
      assertUnable(127, "here: not found", bench.run(words("here"), inputs));
      assertUnable(127, "gone/tool: No such file", bench.run(words("gone/tool"), inputs));
      assertUnable(126, "./data: Permission denied", bench.run(words("./data"), inputs));
      assertUnable(126, "bin: Permission denied", bench.run(words("./bin"), inputs));
    }
  }

  private static Command.Builder words(String... words) {
    return Command.newBuilder().addAllArguments(List.of(words));
  }

  private static void assertUnable(int code, String said, ActionBench.Run run) {
    assertEquals(code, run.result().getExitCode());
    assertTrue(run.stderr().contains(said), run::stderr);
  }

  @Test
  void whatAnActionDoesToItsInputsNoOtherSees() throws Exception {
    try (ActionBench bench = open()) {
      Digest inputs = bench.upload(LocalTree.builder().addBytes("in", bytes("as given"), true));
      Command.Builder change =
          shell("chmod u+w in && echo changed > in && cp in out && echo 'no space' >&2; exit 3")
              .addOutputPaths("out");
      ActionBench.Run first = bench.run(change, inputs);
      assertEquals(3, first.result().getExitCode());
      assertEquals("no space\n", first.stderr());
      assertEquals("changed\n", bench.content(first.result().getOutputFiles(0).getDigest()));
      assertEquals("as given", bench.run(words("cat", "in"), inputs).stdout());
      assumeTrue(bench.root, "only root can keep the cache from the user of actions");
      Path cache = bench.work.resolve("inputs/files");
      String owned = bench.run(shell("find " + cache + " -type f -user $(id -u)"), inputs).stdout();
      assertEquals("", owned);
      String tried = "for f in $(find " + cache + " -type f); do echo x > $f && echo wrote; done";
      assertEquals("", bench.run(shell(tried), inputs).stdout());
      assertFalse(
          bench
              .run(shell("id -u; grep NoNewPrivs /proc/self/status"), inputs)
              .stdout()
              .startsWith("0"));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void nothingOfAnActionRunsOnWhenItIsOver(boolean controlGroups) throws Exception {
    try (ActionBench bench = open(controlGroups)) {
      String away =
          "sleep 4811 & setsid sleep 4812 & setsid sh -c 'sleep 4813 & sleep 4814 & wait' & "
              + "(setsid setsid sleep 4815 > /dev/null 2>&1 &) ; echo said; sleep 0.2";
      assertEquals("said\n", bench.run(shell(away), Digest.EMPTY).stdout());
      ActionSandboxTest.assertNothingSleeps("481");
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aTimeoutAndAKillEndAllThatRuns(boolean controlGroups) throws Exception {
    try (ActionBench bench = open(controlGroups);
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      String script = "setsid sleep 4821 & sleep 4822";
      assertEquals(
          FailureClass.FAILURE_TIMEOUT,
          bench
              .run(shell(script), Digest.EMPTY, Duration.ofSeconds(1), new KillSwitch())
              .failure()
              .kind());
      ActionSandboxTest.assertNothingSleeps("482");
      KillSwitch kill = new KillSwitch();
      Future<ActionBench.Run> running =
          threads.submit(
              () -> bench.run(shell("sleep 4823"), Digest.EMPTY, Duration.ofMinutes(5), kill));
      Thread.sleep(700);
      kill.kill();
      assertInstanceOf(Abandoned.class, running.get().report().outcome());
      ActionSandboxTest.assertNothingSleeps("4823");
    }
  }

  @Test
  void anActionThatLeavesAProcessDoesNotEndThoseOfOthers() throws Exception {
    try (ActionBench bench = open(false);
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      String daemon =
          "(setsid sleep 4831 &); sleep 2; pgrep -f '^sleep 4831' > /dev/null && echo on";
      Future<ActionBench.Run> other = threads.submit(() -> bench.run(shell(daemon), Digest.EMPTY));
      for (int i = 0; i < 20; i++) {
        bench.run(shell("setsid sleep 4832 & sleep 0.05"), Digest.EMPTY);
      }
      assertEquals("on\n", other.get().stdout());
      ActionSandboxTest.assertNothingSleeps("483");
    }
  }

  @Test
  void asRootEachActionIsAUserOfItsOwn() throws Exception {
    try (ActionBench bench = open(false);
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      assumeTrue(bench.root, "only root can become another user");
      Path mark = Files.createDirectory(temporary.resolve("mark"));
      Files.setPosixFilePermissions(mark, PosixFilePermissions.fromString("rwxrwxrwx"));
      String waits = "id -u; pwd; touch %s/on; until [ -e %s/off ]; do sleep 0.05; done";
      Future<ActionBench.Run> one =
          threads.submit(() -> bench.run(shell(waits.replace("%s", "" + mark)), Digest.EMPTY));
      while (!Files.exists(mark.resolve("on"))) {
        Thread.sleep(10);
      }
      String daemon = "setsid setsid sleep 4841 > /dev/null 2>&1 & id -u; sleep 0.2; ";
      String reach =
          "for at in %s/../work/builds/*/build/own/root; do touch $at/x && echo $at; done";
      List<String> other =
          bench
              .run(shell(daemon + reach.replace("%s", "" + mark)), Digest.EMPTY)
              .stdout()
              .lines()
              .toList();
      // The other one still runs, so that it is not that nobody does.
      ActionSandboxTest.assertNothingSleeps("4841");
      Files.createFile(mark.resolve("off"));
      assertNotEquals(one.get().stdout().lines().toList().getFirst(), other.getFirst());
      assertEquals(2, other.size(), () -> "an action wrote to " + other);
      assertTrue(other.getLast().endsWith("/builds/2/build/own/root"), other::toString);
    }
  }

  @ParameterizedTest
  @CsvSource({"STOP, true", "STOP, false", "KILL, true", "KILL, false"})
  void aLauncherThatAnActionStoppedOrKilledFailsThatActionOnly(String signal, boolean controlGroups)
      throws Exception {
    try (ActionBench bench = open(controlGroups)) {
      // As soon as it is started it has its launcher's user. Here that is made sure of.
      assumeTrue(bench.root, "any action of an ordinary user can");
      var threads = Executors.newVirtualThreadPerTaskExecutor();
      Future<ActionBench.Run> running =
          threads.submit(() -> bench.run(shell("setsid sleep 4851 & sleep 4851"), Digest.EMPTY));
      List<ProcessHandle> launchers = List.of();
      while (launchers.isEmpty()) {
        launchers =
            ProcessHandle.current()
                .children()
                .filter(
                    child -> child.descendants().filter(PlainActionTest::isSleeping).count() == 2)
                .toList();
      }
      String pid = Long.toString(launchers.getFirst().pid());
      assertEquals(0, new ProcessBuilder("kill", "-" + signal, pid).start().waitFor());
      assertEquals(FailureClass.FAILURE_INFRASTRUCTURE, running.get().failure().kind());
      ActionSandboxTest.assertNothingSleeps("4851");
      assertEquals("on\n", bench.run(shell("echo on"), Digest.EMPTY).stdout());
      threads.close();
    }
  }

  private static boolean isSleeping(ProcessHandle process) {
    return process
        .info()
        .commandLine()
        .orElse("")
        .endsWith("/" + RunningProcesses.unique("sleep 4851"));
  }

  @Test
  void theLimitsHoldThatControlGroupsCanKeep() throws Exception {
    assumeTrue(Files.isWritable(Path.of("/sys/fs/cgroup")), "no control groups here");
    try (ActionBench bench = open()) {
      ActionBench.Run greedy =
          bench.run(
              words("/usr/bin/python3", "-c", "x = b'x' * (400 << 20)"),
              Digest.EMPTY,
              "memory=64MiB");
      assertEquals(FailureClass.FAILURE_OUT_OF_MEMORY, greedy.failure().kind());
    }
  }
}
