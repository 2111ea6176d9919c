package build.thresher.executor.spack;

import build.thresher.executor.outputs.BuildLog;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.Pattern;

/** Picks from the end of a log the line that says best why a build failed. Stateless. */
final class FailureSentence {
  private static final int TAIL_BYTES = 128 << 10;
  private static final int MAX_CHARACTERS = 300;
  private static final Pattern COLOURS = Pattern.compile("\\x1b\\[[0-9;]*[A-Za-z]");

  /** As the C library says it. */
  private static final List<String> NO_SPACE =
      List.of(
          "No space left on device",
          "Disk quota exceeded",
          "File too large",
          "File size limit exceeded");

  /** As the C library says it, and shells. */
  private static final List<String> NO_PROCESSES =
      List.of("Resource temporarily unavailable", "Cannot fork", "can't start new thread");

  private FailureSentence() {}

  static String of(BuildLog log) throws IOException {
    String tail = tail(log);
    String spackError = "";
    String toolError = "";
    for (String coloured : tail.split("\n", -1)) {
      String line = COLOURS.matcher(coloured).replaceAll("").strip();
      if (line.startsWith("==> Error:") && spackError.isEmpty()) {
        spackError = line.substring("==> Error:".length()).strip();
      } else if (toolError.isEmpty()
          && (line.contains(" error: ") || line.startsWith("error: ") || line.contains("Error 1"))
          && !line.startsWith("==>")) {
        toolError = line;
      }
    }
    String best = toolError.isEmpty() ? spackError : toolError;
    String sentence = best.isEmpty() ? "the build failed; see its log" : best;
    return sentence.length() > MAX_CHARACTERS
        ? sentence.substring(0, MAX_CHARACTERS) + "…"
        : sentence;
  }

  /** True when Spack wanted to fetch something that was not sent along. */
  static boolean missesSources(BuildLog log) throws IOException {
    return tail(log).contains("All fetchers failed");
  }

  /** True when something of the build could not be written: the next executor may have room. */
  static boolean lacksSpace(BuildLog log) throws IOException {
    String tail = tail(log);
    return NO_SPACE.stream().anyMatch(tail::contains);
  }

  /** True when a process could not be started: with fewer beside it, it might be. */
  static boolean lacksProcesses(BuildLog log) throws IOException {
    String tail = tail(log);
    return NO_PROCESSES.stream().anyMatch(tail::contains);
  }

  private static String tail(BuildLog log) throws IOException {
    long start = Math.max(0, log.length() - TAIL_BYTES);
    return new String(log.read(start, TAIL_BYTES), StandardCharsets.UTF_8);
  }
}
