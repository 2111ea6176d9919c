package build.thresher.deploy;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.logging.Formatter;
import java.util.logging.LogRecord;

/**
 * One line an event: time in UTC, level, part of the program, message. The lines of an exception
 * follow it, each indented.
 *
 * <p>Nothing that a client sends can look like a line of the log or be obeyed by a terminal: line
 * breaks, control characters and what changes the direction of text are escaped, in messages and in
 * those of exceptions.
 */
final class OneLineFormatter extends Formatter {
  @Override
  public String format(LogRecord record) {
    Instant time = record.getInstant().truncatedTo(ChronoUnit.MILLIS);
    String logger = record.getLoggerName() == null ? "" : record.getLoggerName();
    StringBuilder line =
        new StringBuilder(time.toString())
            .append(' ')
            .append(record.getLevel().getName())
            .append(' ')
            .append(logger.substring(logger.lastIndexOf('.') + 1))
            .append(": ")
            .append(printable(formatMessage(record)))
            .append('\n');
    if (record.getThrown() != null) {
      StringWriter stack = new StringWriter();
      record.getThrown().printStackTrace(new PrintWriter(stack, true));
      stack
          .toString()
          .lines()
          .forEach(l -> line.append("  ").append(printable(l.replace("\t", "  "))).append('\n'));
    }
    return line.toString();
  }

  private static String printable(String text) {
    if (text.chars().allMatch(c -> c >= ' ' && c <= '~')) {
      return text; // as nearly all are
    }
    StringBuilder printable = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '\n' -> printable.append("\\n");
                case '\r' -> printable.append("\\r");
                default -> {
                  if (isObeyed(c)) {
                    printable.append(String.format("\\u%04x", c));
                  } else {
                    printable.appendCodePoint(c);
                  }
                }
              }
            });
    return printable.toString();
  }

  /** By terminals, or by what shows text. */
  private static boolean isObeyed(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          true;
      default -> false;
    };
  }
}
