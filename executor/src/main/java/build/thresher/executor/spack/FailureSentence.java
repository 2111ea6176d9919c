package build.thresher.executor.spack;

import build.thresher.executor.outputs.BuildLog;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** Picks from the end of a log the line that says best why a build failed. Stateless. */
final class FailureSentence {
  private static final int TAIL_BYTES = 128 << 10;
  private static final int MAX_CHARACTERS = 300;
  private static final Pattern COLOURS = Pattern.compile("\\x1b\\[[0-9;]*[A-Za-z]");

  private FailureSentence() {}

  static String of(BuildLog log) throws IOException {
    long start = Math.max(0, log.length() - TAIL_BYTES);
    String tail = new String(log.read(start, TAIL_BYTES), StandardCharsets.UTF_8);
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
    long start = Math.max(0, log.length() - TAIL_BYTES);
    String tail = new String(log.read(start, TAIL_BYTES), StandardCharsets.UTF_8);
    return tail.contains("All fetchers failed");
  }
}
