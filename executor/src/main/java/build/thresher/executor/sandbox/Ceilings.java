package build.thresher.executor.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The hard resource limits of this process: an ordinary user cannot give a command more than these,
 * and asking for more would fail the command. Immutable.
 */
final class Ceilings {
  private static final Pattern LINE = Pattern.compile("(Max [a-z ]+?) {2,}\\S+ +(\\S+).*");

  /** The kernel takes the largest number of all for no limit; so large a one limits nothing. */
  private static final long UNLIMITED = Long.MAX_VALUE;

  /** What programs expect; some close all that there could be, one by one. */
  private static final long OPEN_FILES = 4096;

  private static final long MAX_OPEN_FILES = 65_536;

  private final Map<String, Long> hard = new HashMap<>();

  private Ceilings() {}

  static Ceilings ofThisProcess() throws IOException {
    Ceilings ceilings = new Ceilings();
    for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
      Matcher matcher = LINE.matcher(line);
      if (matcher.matches() && matcher.group(2).matches("[0-9]{1,18}")) {
        ceilings.hard.put(matcher.group(1), Long.parseLong(matcher.group(2)));
      }
    }
    return ceilings;
  }

  long processes(long wanted) {
    return atMost("Max processes", wanted);
  }

  /** Open files that a command begins with. */
  long openFiles() {
    return atMost("Max open files", OPEN_FILES);
  }

  /** Open files that it may raise that to. */
  long mostOpenFiles() {
    return atMost("Max open files", MAX_OPEN_FILES);
  }

  long fileBytes(long wanted) {
    return atMost("Max file size", wanted);
  }

  private long atMost(String name, long wanted) {
    return Math.min(wanted, hard.getOrDefault(name, UNLIMITED));
  }
}
