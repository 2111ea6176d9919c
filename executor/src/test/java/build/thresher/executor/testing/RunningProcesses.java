package build.thresher.executor.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Predicate;

/** What runs on this host, seen by command lines. Stateless. */
public final class RunningProcesses {
  private RunningProcesses() {}

  /**
   * @param commandLine is told each word with a NUL behind it; of a process that ended, nothing
   */
  public static boolean any(Predicate<String> commandLine) {
    return ProcessHandle.allProcesses().anyMatch(p -> commandLine.test(commandLine(p.pid())));
  }

  private static String commandLine(long pid) {
    try {
      return Files.readString(Path.of("/proc/" + pid + "/cmdline"));
    } catch (IOException e) {
      return ""; // It ended meanwhile.
    }
  }
}
