package build.thresher.client;

import build.thresher.v1.Request;
import build.thresher.v1.Task;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;

/**
 * Progress for a terminal: what has ended scrolls away as lines, what runs stands below and is
 * drawn anew on each change. Lines are cut at the terminal's width, because a line that wraps could
 * not be drawn over.
 *
 * <p>Safe for threads: {@link #redraw} may be called by a clock.
 */
final class TerminalProgress implements Progress {
  private static final int MOST_RUNNING_LINES = 20;
  private static final String ERASE_BELOW = "\u001b[J";

  private final PrintStream out;
  private final NodeNames names;
  private final IntSupplier columns;

  @GuardedBy("this")
  private final Stopwatches stopwatches;

  @GuardedBy("this")
  private final Map<String, Task> running = new LinkedHashMap<>();

  @GuardedBy("this")
  private final Map<String, Task> ended = new LinkedHashMap<>();

  @GuardedBy("this")
  private int drawn;

  @GuardedBy("this")
  private int total;

  @GuardedBy("this")
  private boolean introduced;

  TerminalProgress(PrintStream out, NodeNames names, LongSupplier nanoTime, IntSupplier columns) {
    this.out = out;
    this.names = names;
    this.columns = columns;
    this.stopwatches = new Stopwatches(nanoTime);
  }

  @Override
  public synchronized void accepted(Request request) {
    StringBuilder frame = erased();
    if (!introduced) {
      introduced = true;
      total = request.getTasksCount();
      line(frame, names.summary(request));
      names.lines(request).forEach(text -> line(frame, text));
    }
    request.getTasksList().forEach(task -> see(frame, task));
    draw(frame);
  }

  @Override
  public synchronized void task(Task task) {
    StringBuilder frame = erased();
    see(frame, task);
    draw(frame);
  }

  @Override
  public synchronized void finished(Request request) {
    StringBuilder frame = erased();
    request.getTasksList().forEach(task -> see(frame, task));
    running.clear();
    draw(frame);
  }

  @Override
  public synchronized void note(String text) {
    StringBuilder frame = erased();
    line(frame, text);
    draw(frame);
  }

  /** Draws what runs anew, with the seconds gone on. */
  synchronized void redraw() {
    if (drawn > 0) {
      draw(erased());
    }
  }

  @Override
  public synchronized void close() {
    out.print(erased());
    out.flush();
    running.clear();
  }

  @GuardedBy("this")
  private void see(StringBuilder frame, Task task) {
    stopwatches.see(task);
    if (TaskText.hasEnded(task.getState())) {
      running.remove(task.getHash());
      Task before = ended.put(task.getHash(), task);
      if (before == null || before.getState() != task.getState()) {
        line(frame, TaskText.line(task, stopwatches.seconds(task)));
      }
    } else if (TaskText.isRunning(task.getState())) {
      ended.remove(task.getHash());
      running.put(task.getHash(), task);
    } else {
      running.remove(task.getHash());
    }
  }

  @GuardedBy("this")
  private StringBuilder erased() {
    StringBuilder frame = new StringBuilder();
    if (drawn > 0) {
      frame.append("\u001b[").append(drawn).append("A\r").append(ERASE_BELOW);
      drawn = 0;
    }
    return frame;
  }

  @GuardedBy("this")
  private void draw(StringBuilder frame) {
    int width = columns.getAsInt();
    for (Task task : running.values()) {
      if (drawn == MOST_RUNNING_LINES) {
        break;
      }
      line(frame, cut(TaskText.line(task, stopwatches.seconds(task)), width));
      drawn++;
    }
    if (!running.isEmpty()) {
      String bar = ended.size() + " of " + total + " done, " + running.size() + " building";
      line(frame, cut(bar, width));
      drawn++;
    }
    out.print(frame);
    out.flush();
  }

  private static void line(StringBuilder frame, String text) {
    frame.append(text).append('\n');
  }

  private static String cut(String text, int width) {
    return text.length() < width ? text : text.substring(0, Math.max(1, width - 1));
  }
}
