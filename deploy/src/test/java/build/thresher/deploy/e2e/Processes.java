package build.thresher.deploy.e2e;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs real programs for tests. */
final class Processes {
  /** Longer than anything takes, so that a hang ends a test instead of the whole run. */
  static final Duration HANG = Duration.ofMinutes(8);

  private Processes() {}

  /**
   * How a program ended.
   *
   * @param output standard output and error together
   */
  record Ended(int exit, String output) {
    /** Itself, when the program succeeded; fails the test with the output otherwise. */
    Ended succeeded() {
      if (exit != 0) {
        throw new AssertionError("exit code " + exit + ":\n" + output);
      }
      return this;
    }
  }

  /** Something that comes true sooner or later. */
  interface Condition {
    boolean holds() throws Exception;
  }

  /** Waits for it; fails the test when it takes longer than anything does. */
  static void until(String what, Condition condition) throws Exception {
    long deadline = System.nanoTime() + HANG.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError("in vain waited until " + what);
      }
      Thread.sleep(50);
    }
  }

  /** The processes of this machine whose command line holds a text. */
  static List<ProcessHandle> withCommandLine(String text) {
    return ProcessHandle.allProcesses()
        .filter(p -> p.info().commandLine().orElse("").contains(text))
        .toList();
  }

  /** The processes of this machine whose command line ends with a text. */
  static List<ProcessHandle> withCommandLineEnd(String text) {
    return withCommandLine(text).stream()
        .filter(p -> p.info().commandLine().orElse("").endsWith(text))
        .toList();
  }

  /**
   * Waits until a program runs whose command line ends so, for a client that is not to end before.
   */
  static void untilRunning(String commandLineEnd, Running client) throws Exception {
    until(
        commandLineEnd + " runs, or the client gave up",
        () -> !withCommandLineEnd(commandLineEnd).isEmpty() || !client.process().isAlive());
    if (!client.process().isAlive()) {
      throw new AssertionError(Files.readString(client.log()));
    }
  }

  static Process start(Path log, Map<String, String> environment, List<String> command)
      throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    builder.environment().putAll(environment);
    return builder.start();
  }

  /** A program that runs, with a file that its output goes to. */
  record Running(Process process, Path log, List<String> command) {
    Ended await() throws IOException, InterruptedException {
      return Processes.await(process, log, command);
    }
  }

  /** Starts a program and returns at once. */
  static Running startIn(Path scratch, Map<String, String> environment, List<String> command)
      throws IOException {
    Path log = Files.createTempFile(scratch, "run-", ".log");
    return new Running(start(log, environment, command), log, command);
  }

  static Ended run(Path scratch, Map<String, String> environment, List<String> command)
      throws IOException, InterruptedException {
    return startIn(scratch, environment, command).await();
  }

  static Ended await(Process process, Path log, List<String> command)
      throws IOException, InterruptedException {
    if (!process.waitFor(HANG.toSeconds(), TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError(command + " hangs; so far it said:\n" + Files.readString(log));
    }
    return new Ended(
        process.exitValue(), new String(Files.readAllBytes(log), StandardCharsets.UTF_8));
  }
}
