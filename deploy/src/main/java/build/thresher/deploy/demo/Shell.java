package build.thresher.deploy.demo;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Runs the commands that a person would type, and shows them. */
final class Shell {
  private final PrintStream out;
  private final Map<String, String> environment;
  private final Path directory;

  /**
   * @param environment added to the process's own
   */
  Shell(PrintStream out, Map<String, String> environment, Path directory) {
    this.out = out;
    this.environment = Map.copyOf(environment);
    this.directory = directory;
  }

  /** A shell with more in its environment. */
  Shell with(Map<String, String> more) {
    HashMap<String, String> all = new HashMap<>(environment);
    all.putAll(more);
    return new Shell(out, all, directory);
  }

  /**
   * Runs a command with its output on this terminal.
   *
   * @throws DemoException when it exits with anything but 0
   */
  void run(String... command) throws IOException, InterruptedException, DemoException {
    out.println("$ " + String.join(" ", command));
    out.flush();
    ProcessBuilder builder = builder(command).inheritIO();
    Process process = builder.start();
    int exit = process.waitFor();
    if (exit != 0) {
      throw new DemoException("`" + String.join(" ", command) + "` ended with exit code " + exit);
    }
  }

  /** Runs a command without showing its output, unless it fails. */
  String quietly(String... command) throws IOException, InterruptedException, DemoException {
    Process process = builder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int exit = process.waitFor();
    if (exit != 0) {
      throw new DemoException(
          "`" + String.join(" ", command) + "` ended with exit code " + exit + ":\n" + output);
    }
    return output;
  }

  private ProcessBuilder builder(String... command) {
    ProcessBuilder builder = new ProcessBuilder(List.of(command)).directory(directory.toFile());
    builder.environment().putAll(environment);
    return builder;
  }
}
