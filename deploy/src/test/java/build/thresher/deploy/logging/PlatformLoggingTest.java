package build.thresher.deploy.logging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class PlatformLoggingTest {
  private final List<LogRecord> lines = new ArrayList<>();

  @Test
  void linesComeToThePlatformWithAllThatIsShownOfThem() {
    Logger platform = Logger.getLogger("build.thresher.deploy.logging.Some");
    platform.setUseParentHandlers(false);
    platform.addHandler(new Kept());
    platform.setLevel(Level.INFO);
    org.slf4j.Logger log = LoggerFactory.getLogger(platform.getName());
    assertInstanceOf(PlatformLogger.class, log);
    IllegalStateException why = new IllegalStateException("why");

    log.debug("{} is not shown", "it");
    log.info("{} of {}: {}", 1, 2, "{0} is no place");
    log.warn("{} failed", "it", why);

    assertEquals(2, lines.size());
    assertEquals("1 of 2: {0} is no place", lines.getFirst().getMessage());
    assertEquals(platform.getName(), lines.getFirst().getLoggerName());
    assertEquals(Level.INFO, lines.getFirst().getLevel());
    assertNull(lines.getFirst().getSourceClassName());
    assertEquals("it failed", lines.getLast().getMessage());
    assertEquals(Level.WARNING, lines.getLast().getLevel());
    assertSame(why, lines.getLast().getThrown());
  }

  private final class Kept extends Handler {
    @Override
    public void publish(LogRecord line) {
      lines.add(line);
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }
}
