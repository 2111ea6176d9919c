package build.thresher.client;

import build.thresher.v1.Request;
import build.thresher.v1.Task;
import java.io.PrintStream;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * Progress for files and pipes: one line for each change, as Spack prints where it has no terminal.
 */
final class LineProgress implements Progress {
  private final PrintStream out;
  private final NodeNames names;
  private final Stopwatches stopwatches;
  private final Map<String, String> shown = new HashMap<>();
  private boolean introduced;

  LineProgress(PrintStream out, NodeNames names, LongSupplier nanoTime) {
    this.out = out;
    this.names = names;
    this.stopwatches = new Stopwatches(nanoTime);
  }

  @Override
  public void accepted(Request request) {
    if (!introduced) {
      introduced = true;
      out.println(names.summary(request));
      names.lines(request).forEach(out::println);
    }
    request.getTasksList().forEach(this::task);
    out.flush();
  }

  @Override
  public void task(Task task) {
    stopwatches.see(task);
    String what = task.getState() + TaskText.describe(task);
    boolean ended = TaskText.hasEnded(task.getState());
    if (what.equals(shown.put(task.getHash(), what))
        || (!ended && TaskText.describe(task).isEmpty())) {
      return;
    }
    out.println(TaskText.line(task, stopwatches.seconds(task)));
    out.flush();
  }

  @Override
  public void finished(Request request) {
    request.getTasksList().forEach(this::task); // what a lost update left out
  }

  @Override
  public void note(String line) {
    out.println(line);
    out.flush();
  }

  @Override
  public void close() {
    out.flush();
  }
}
