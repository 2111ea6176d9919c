package build.thresher.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;

class OneLineFormatterTest {
  private static final String EVIL =
      "a\n2026-01-01T00:00:00.000Z INFO Farm: forged\r\u001b[2J\u0007\u0085\u009b2J\u007f\u202e\u2028\ud800é";

  @Test
  void nothingThatIsLoggedMakesALineOfItsOwnOrIsObeyedByATerminal() {
    String line = format(EVIL, null);
    assertTrue(line.endsWith("\n"), line);
    assertEquals(1, line.lines().count(), line);
    assertPrintable(line);
    assertTrue(line.contains("a\\n2026"), line);
    assertTrue(line.contains("\\u001b[2J"), line);
    assertTrue(line.contains("é"), line);
  }

  @Test
  void messagesOfExceptionsAreNoLinesOfTheLog() {
    IOException cause = new IOException("cause " + EVIL);
    cause.addSuppressed(new IllegalStateException(EVIL));
    String text = format("it failed", new IOException(EVIL, cause));
    assertPrintable(text);
    List<String> lines = text.lines().toList();
    assertTrue(lines.getFirst().endsWith(": it failed"), text);
    lines.stream().skip(1).forEach(l -> assertTrue(l.startsWith("  "), l));
    assertTrue(text.contains("at " + OneLineFormatterTest.class.getName()), text);
  }

  private static String format(
      String message, @org.jspecify.annotations.Nullable Throwable thrown) {
    LogRecord record = new LogRecord(Level.INFO, message);
    record.setLoggerName("build.thresher.deploy.Test");
    record.setThrown(thrown);
    return new OneLineFormatter().format(record);
  }

  private static void assertPrintable(String text) {
    text.codePoints()
        .filter(c -> c != '\n')
        .forEach(
            c ->
                assertTrue(
                    !Character.isISOControl(c) && c != 0x202e && c != 0x2028,
                    () -> "U+" + Integer.toHexString(c) + " in " + text));
  }
}
