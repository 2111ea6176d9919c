package build.thresher.deploy;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.logging.Formatter;
import java.util.logging.LogRecord;

/**
 * One line an event: time in UTC, level, part of the program, message. Line breaks inside a message
 * are escaped, so that nothing that a client sends can look like a line of the log; only the stack
 * of an exception takes lines of its own.
 */
final class OneLineFormatter extends Formatter {
  @Override
  public String format(LogRecord record) {
    Instant time = record.getInstant().truncatedTo(ChronoUnit.MILLIS);
    String logger = record.getLoggerName() == null ? "" : record.getLoggerName();
    String message = formatMessage(record).replace("\n", "\\n").replace("\r", "\\r");
    StringWriter line = new StringWriter();
    line.append(time.toString())
        .append(' ')
        .append(record.getLevel().getName())
        .append(' ')
        .append(logger.substring(logger.lastIndexOf('.') + 1))
        .append(": ")
        .append(message)
        .append('\n');
    if (record.getThrown() != null) {
      record.getThrown().printStackTrace(new PrintWriter(line, true));
    }
    return line.toString();
  }
}
