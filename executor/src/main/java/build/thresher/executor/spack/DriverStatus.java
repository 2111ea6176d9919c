package build.thresher.executor.spack;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Locale;

/**
 * How far the driver inside the sandbox got, as it says. A recipe can forge it; that changes how
 * its own failure is classed and nothing else.
 */
record DriverStatus(Word word, String sentence) {
  private static final int MAX_BYTES = 4096;

  enum Word {
    /** It wrote nothing. */
    NONE,
    STARTED,
    INPUT,
    RECIPE,
    INFRASTRUCTURE,
    BUILT
  }

  static DriverStatus read(Path file) throws IOException {
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) || Files.size(file) > MAX_BYTES) {
      return new DriverStatus(Word.NONE, "");
    }
    String[] lines = Files.readString(file).split("\n", 2);
    Word word =
        switch (lines[0].toLowerCase(Locale.ROOT)) {
          case "started" -> Word.STARTED;
          case "input" -> Word.INPUT;
          case "recipe" -> Word.RECIPE;
          case "infrastructure" -> Word.INFRASTRUCTURE;
          case "built" -> Word.BUILT;
          default -> Word.NONE;
        };
    return new DriverStatus(word, lines.length > 1 ? lines[1].strip() : "");
  }
}
