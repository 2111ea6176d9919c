package build.thresher.client;

import build.thresher.v1.Task;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/**
 * Shows the logs of builds while they run, each line with the name of its package before it. One
 * virtual thread follows one execution; a log that breaks off is left where it broke: it can be
 * read whole later.
 */
final class LiveLogs implements Consumer<Task> {
  private final Logs logs;
  private final Consumer<String> lines;
  private final Map<String, Thread> followers = new ConcurrentHashMap<>();

  LiveLogs(Logs logs, Consumer<String> lines) {
    this.logs = logs;
    this.lines = lines;
  }

  @Override
  public void accept(Task task) {
    String name = Text.clean(task.getName());
    followers.computeIfAbsent(
        task.getExecution(),
        execution -> Thread.ofVirtual().name("log-" + name).start(() -> follow(execution, name)));
  }

  /** Waits until everything is shown, but not longer than given. */
  void drain(Duration atMost) throws InterruptedException {
    long end = System.nanoTime() + atMost.toNanos();
    for (Thread follower : followers.values()) {
      follower.join(Duration.ofNanos(Math.max(1, end - System.nanoTime())));
    }
  }

  private void follow(String execution, String name) {
    try (LineSplitter out = new LineSplitter(line -> lines.accept(name + ": " + line))) {
      logs.copy(execution, 0, true, out);
    } catch (StatusRuntimeException | IOException e) {
      lines.accept(name + ": (the log breaks off here: " + Text.clean(e.getMessage() + "") + ")");
    }
  }

  /** Cuts a stream of bytes into lines that are safe to print. */
  private static final class LineSplitter extends OutputStream {
    private static final int LONGEST_LINE = 8192;
    private final Consumer<String> lines;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    LineSplitter(Consumer<String> lines) {
      this.lines = lines;
    }

    @Override
    public void write(int b) {
      if (b == '\n' || line.size() == LONGEST_LINE) {
        end();
      }
      if (b != '\n') {
        line.write(b);
      }
    }

    private void end() {
      lines.accept(Text.clean(line.toString(StandardCharsets.UTF_8)));
      line.reset();
    }

    @Override
    public void close() {
      if (line.size() > 0) {
        end();
      }
    }
  }
}
