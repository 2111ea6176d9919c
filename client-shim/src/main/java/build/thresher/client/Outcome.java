package build.thresher.client;

import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Says how a request ended: nothing where all is well, else what failed and where its log lies. */
final class Outcome {
  private static final int TAIL_LINES = 20;

  private final PrintStream out;
  private final Logs logs;
  private final int lines;

  /**
   * @param whole print whole logs of failed builds, not only their last lines
   */
  Outcome(PrintStream out, Logs logs, boolean whole) {
    this.out = out;
    this.logs = logs;
    this.lines = whole ? Integer.MAX_VALUE : TAIL_LINES;
  }

  /** Returns the exit code. */
  int report(Request ended) throws IOException {
    return switch (ended.getState()) {
      case REQUEST_SUCCEEDED -> 0;
      case REQUEST_CANCELLED -> {
        out.println("==> Error: the request was cancelled");
        yield ClientException.FAILED;
      }
      case REQUEST_FAILED, REQUEST_ACTIVE, REQUEST_STATE_UNSPECIFIED, UNRECOGNIZED -> {
        failures(ended);
        yield ClientException.FAILED;
      }
    };
  }

  static int exitCode(Request ended) {
    return ended.getState() == RequestState.REQUEST_SUCCEEDED ? 0 : ClientException.FAILED;
  }

  private void failures(Request ended) throws IOException {
    List<String> failed = new ArrayList<>();
    for (Task task : ended.getTasksList()) {
      if (task.getState() == TaskState.TASK_FAILED) {
        failed.add(failure(task));
      }
    }
    out.println("==> Error: The following packages failed to install:");
    failed.forEach(line -> out.println("    " + line));
    out.flush();
  }

  private String failure(Task task) throws IOException {
    String spec = Text.spec(task);
    String reason = Text.clean(task.getFailure().getMessage());
    if (task.getExecution().isEmpty()) {
      return spec + ": " + reason;
    }
    try {
      Path log = logs.save(task);
      List<String> lines = Files.readAllLines(log, StandardCharsets.ISO_8859_1);
      out.println("==> Error: " + spec + ": " + reason + "; the end of its log:");
      lines.stream()
          .skip(Math.max(0, lines.size() - this.lines))
          .forEach(line -> out.println("  " + Text.clean(line)));
      return spec + ": " + log;
    } catch (StatusRuntimeException e) {
      String why = e.getStatus().getDescription();
      return spec
          + ": "
          + reason
          + " (its log cannot be read: "
          + (why == null ? e.getStatus().getCode().name() : Text.clean(why))
          + ")";
    }
  }
}
