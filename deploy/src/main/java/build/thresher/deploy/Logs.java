package build.thresher.deploy;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.logging.ConsoleHandler;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.StreamHandler;

/**
 * Where log lines go: standard error, warnings and better of the libraries, everything but
 * debugging of our own.
 */
final class Logs {
  /** Held here, for the platform forgets a logger with its level as soon as nobody holds it. */
  private static final Logger OWN = Logger.getLogger("build.thresher");

  private Logs() {}

  /**
   * @param ours least level of the farm's own events
   */
  static void toStandardError(Level ours) {
    LogManager.getLogManager().reset();
    Handler handler = new ConsoleHandler();
    handler.setFormatter(new OneLineFormatter());
    handler.setLevel(Level.ALL);
    try {
      handler.setEncoding(StandardCharsets.UTF_8.name());
    } catch (IOException e) {
      throw new AssertionError("every Java platform has UTF-8", e);
    }
    Logger root = Logger.getLogger("");
    root.addHandler(handler);
    root.setLevel(Level.WARNING);
    OWN.setLevel(ours);
  }

  /** Log lines go to a file instead, for a command whose own output is for a person. */
  static void toFile(PrintStream file, Level ours) {
    LogManager.getLogManager().reset();
    Handler handler =
        new StreamHandler(file, new OneLineFormatter()) {
          @Override
          public synchronized void publish(LogRecord record) {
            super.publish(record);
            flush();
          }
        };
    handler.setLevel(Level.ALL);
    Logger root = Logger.getLogger("");
    root.addHandler(handler);
    root.setLevel(Level.WARNING);
    OWN.setLevel(ours);
  }
}
