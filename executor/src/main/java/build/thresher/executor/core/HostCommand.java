package build.thresher.executor.core;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Finds and asks programs of the host, in the directories that builds see. Stateless. */
final class HostCommand {
  private static final List<String> DIRECTORIES =
      List.of("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin");
  private static final int MAX_OUTPUT = 64 << 10;

  private HostCommand() {}

  static Optional<Path> find(String program) {
    return DIRECTORIES.stream()
        .map(directory -> Path.of(directory, program))
        .filter(Files::isExecutable)
        .findFirst();
  }

  /**
   * What the program says, on either stream; "" when it cannot be run. A name is looked up as
   * {@link #find} does and not in the executor's own PATH, where it may be another program.
   */
  static String output(List<String> command) {
    try {
      List<String> found = new ArrayList<>(command);
      find(command.getFirst()).ifPresent(program -> found.set(0, program.toString()));
      ProcessBuilder builder = new ProcessBuilder(found).redirectErrorStream(true);
      builder.environment().clear();
      builder.environment().put("PATH", String.join(":", DIRECTORIES));
      builder.environment().put("LC_ALL", "C");
      Process process = builder.start();
      process.getOutputStream().close();
      byte[] output = process.getInputStream().readNBytes(MAX_OUTPUT);
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        return "";
      }
      return new String(output, StandardCharsets.UTF_8);
    } catch (IOException e) {
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }
}
