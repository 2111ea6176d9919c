package build.thresher.executor.spack;

import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds in Spack's output which phase a build is in. Knows nothing of the build, so a build may
 * make it say nonsense; it is for people. Used by one thread.
 */
final class PhaseReader {
  private static final Pattern PHASE =
      Pattern.compile("^==> .*?[Ee]xecuting phase: '([A-Za-z0-9_-]{1,40})'");
  private static final int MAX_LINE = 500;

  private final Consumer<String> phases;
  private final byte[] line = new byte[MAX_LINE];
  private int length;

  PhaseReader(Consumer<String> phases) {
    this.phases = phases;
  }

  void accept(byte[] bytes, int count) {
    for (int i = 0; i < count; i++) {
      if (bytes[i] == '\n') {
        endOfLine();
        length = 0;
      } else if (length < MAX_LINE) {
        line[length++] = bytes[i];
      }
    }
  }

  private void endOfLine() {
    if (length < 3 || line[0] != '=') {
      return;
    }
    Matcher matcher = PHASE.matcher(new String(line, 0, length, StandardCharsets.UTF_8));
    if (matcher.find()) {
      phases.accept(matcher.group(1));
    }
  }
}
