package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import java.io.Console;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Option;

/** How a request is shown; the same for every command that waits for one. */
final class Watching {
  private static final Duration FIRST_PAUSE = Duration.ofMillis(200);

  /** How long the end of a log may come after the end of its request. */
  private static final Duration LAST_LINES = Duration.ofSeconds(2);

  private static final int USUAL_COLUMNS = 80;

  @Option(names = "--json", description = "Print one JSON object a line instead of text.")
  private boolean json;

  @Option(
      names = {"-v", "--verbose"},
      description = "Show the logs of the builds as they run.")
  private boolean verbose;

  boolean json() {
    return json;
  }

  /** Whether standard output is one. */
  @SuppressWarnings("SystemConsoleNull") // since Java 25 it is null again where there is none
  static boolean isTerminal() {
    Console console = System.console();
    return console != null && console.isTerminal();
  }

  /** Progress in the form that fits where it goes. */
  Progress progress(NodeNames names) {
    PrintStream out = System.out;
    if (json) {
      return new JsonProgress(out);
    }
    if (!isTerminal() || "dumb".equals(System.getenv("TERM"))) {
      return new LineProgress(out, names, System::nanoTime);
    }
    int columns = columns();
    TerminalProgress progress = new TerminalProgress(out, names, System::nanoTime, () -> columns);
    Thread.ofVirtual().name("redraw").start(() -> redrawEverySecond(progress));
    return progress;
  }

  /** Asks for a request, or joins one. */
  interface Ask {
    Request with(RequestWatch watch) throws InterruptedException;
  }

  /** Follows a request to its end. */
  Request watch(FarmGrpc.FarmBlockingStub farm, Progress progress, boolean alsoVerbose, Ask ask)
      throws InterruptedException {
    if (json || !(verbose || alsoVerbose)) {
      return ask.with(new RequestWatch(farm, progress, task -> {}, FIRST_PAUSE));
    }
    LiveLogs logs = new LiveLogs(new Logs(farm), progress::note);
    Request ended = ask.with(new RequestWatch(farm, progress, logs, FIRST_PAUSE));
    logs.drain(LAST_LINES);
    return ended;
  }

  private static void redrawEverySecond(TerminalProgress progress) {
    try {
      while (true) {
        Thread.sleep(1_000);
        progress.redraw();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Java does not tell the width of a terminal; stty does. */
  private static int columns() {
    try {
      Process stty =
          new ProcessBuilder("stty", "size")
              .redirectInput(ProcessBuilder.Redirect.INHERIT)
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      try (var reader = stty.inputReader()) {
        String line = reader.readLine();
        if (stty.waitFor(1, TimeUnit.SECONDS) && stty.exitValue() == 0 && line != null) {
          int columns = Integer.parseInt(line.substring(line.indexOf(' ') + 1).strip());
          return columns > 0 ? columns : USUAL_COLUMNS;
        }
      }
    } catch (IOException | NumberFormatException e) {
      return USUAL_COLUMNS; // no stty, no width: nothing depends on it but beauty
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return USUAL_COLUMNS;
  }
}
