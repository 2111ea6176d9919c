package build.thresher.client;

import build.thresher.v1.Request;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import java.io.PrintStream;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * Shows a request as Spack shows an install: one line for each change, `[+]` for what is done. Used
 * by one thread.
 */
final class Progress {
  private final PrintStream out;
  private final LongSupplier nanoTime;
  private final Map<String, Long> started = new HashMap<>();
  private final Map<String, String> shown = new HashMap<>();

  Progress(PrintStream out, LongSupplier nanoTime) {
    this.out = out;
    this.nanoTime = nanoTime;
  }

  void accepted(Request request) {
    out.printf(
        "==> Request %s: %d to build, %d in the mirror, %d external%n",
        request.getRequestId(),
        request.getTasksCount(),
        request.getCachedCount(),
        request.getExternalsCount());
    request.getTasksList().forEach(this::task);
    out.flush();
  }

  void task(Task task) {
    String what = describe(task);
    if (what.equals(shown.put(task.getHash(), what))) {
      return;
    }
    if (task.getState() == TaskState.TASK_LEASED) {
      started.putIfAbsent(task.getHash(), nanoTime.getAsLong());
    }
    if (what.isEmpty()) {
      return;
    }
    Long since = started.get(task.getHash());
    String time =
        since == null ? "" : " (" + (nanoTime.getAsLong() - since) / 1_000_000_000L + "s)";
    out.println(
        mark(task.getState())
            + " "
            + task.getHash().substring(0, 7)
            + " "
            + task.getName()
            + "@"
            + task.getVersion()
            + (task.getState() == TaskState.TASK_SUCCEEDED ? "" : " " + what)
            + time);
    out.flush();
  }

  private static String mark(TaskState state) {
    return switch (state) {
      case TASK_SUCCEEDED -> "[+]";
      case TASK_FAILED -> "[x]";
      case TASK_SKIPPED, TASK_CANCELLED -> " - ";
      case TASK_WAITING,
          TASK_READY,
          TASK_LEASED,
          TASK_PUBLISHING,
          TASK_STATE_UNSPECIFIED,
          UNRECOGNIZED ->
          "[ ]";
    };
  }

  /** Empty for what is not worth a line. */
  private static String describe(Task task) {
    return switch (task.getState()) {
      case TASK_WAITING, TASK_READY, TASK_STATE_UNSPECIFIED, UNRECOGNIZED -> task.getPhase();
      case TASK_LEASED -> task.getPhase().isEmpty() ? "starting" : task.getPhase();
      case TASK_PUBLISHING -> "publishing";
      case TASK_SUCCEEDED -> "done";
      case TASK_FAILED -> "failed: " + task.getFailure().getMessage();
      case TASK_SKIPPED -> "skipped: a dependency failed";
      case TASK_CANCELLED -> "cancelled";
    };
  }
}
