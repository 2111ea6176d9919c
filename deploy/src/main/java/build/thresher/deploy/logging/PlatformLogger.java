package build.thresher.deploy.logging;

import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Marker;
import org.slf4j.event.Level;
import org.slf4j.helpers.LegacyAbstractLogger;
import org.slf4j.helpers.MessageFormatter;

/** One logger of the interface, by the platform's of the same name. Thread-safe. */
final class PlatformLogger extends LegacyAbstractLogger {
  private static final long serialVersionUID = 1;

  private final transient Logger platform;

  PlatformLogger(String name) {
    this.name = name;
    this.platform = Logger.getLogger(name.equals(ROOT_LOGGER_NAME) ? "" : name);
  }

  @Override
  public boolean isTraceEnabled() {
    return isEnabled(Level.TRACE);
  }

  @Override
  public boolean isDebugEnabled() {
    return isEnabled(Level.DEBUG);
  }

  @Override
  public boolean isInfoEnabled() {
    return isEnabled(Level.INFO);
  }

  @Override
  public boolean isWarnEnabled() {
    return isEnabled(Level.WARN);
  }

  @Override
  public boolean isErrorEnabled() {
    return isEnabled(Level.ERROR);
  }

  private boolean isEnabled(Level level) {
    return platform.isLoggable(platformLevel(level));
  }

  private static java.util.logging.Level platformLevel(Level level) {
    return switch (level) {
      case TRACE -> java.util.logging.Level.FINEST;
      case DEBUG -> java.util.logging.Level.FINE;
      case INFO -> java.util.logging.Level.INFO;
      case WARN -> java.util.logging.Level.WARNING;
      case ERROR -> java.util.logging.Level.SEVERE;
    };
  }

  @Override
  protected @Nullable String getFullyQualifiedCallerName() {
    return null; // Nobody looks for the caller.
  }

  @Override
  protected void handleNormalizedLoggingCall(
      Level level,
      @Nullable Marker marker,
      String message,
      Object @Nullable [] arguments,
      @Nullable Throwable thrown) {
    LogRecord line =
        new LogRecord(platformLevel(level), MessageFormatter.basicArrayFormat(message, arguments));
    line.setLoggerName(name);
    line.setThrown(thrown);
    line.setSourceClassName(null); // or the platform would look for it
    platform.log(line);
  }
}
