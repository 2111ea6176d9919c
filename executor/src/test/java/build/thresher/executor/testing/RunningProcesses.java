package build.thresher.executor.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Predicate;

/**
 * What runs on this host, seen by command lines. Tests that look for sleeping processes have theirs
 * sleep for a fraction of a second longer, by which those of other tests that run at the same time
 * are told apart. Stateless.
 */
public final class RunningProcesses {
  private static final String FRACTION = "%07d".formatted(ProcessHandle.current().pid());

  private RunningProcesses() {}

  /** A script in which each {@code sleep N} sleeps for a time that only this process knows. */
  public static String unique(String script) {
    return script.replaceAll("sleep ([0-9]+)\\.?([0-9]*)", "sleep $1.$2" + FRACTION);
  }

  /** Whether one of a {@link #unique} script sleeps so long, or for a number that begins so. */
  public static boolean sleeps(String seconds) {
    return any(line -> line.startsWith("sleep\0" + seconds) && line.endsWith(FRACTION + "\0"));
  }

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
