package build.thresher.client;

import build.thresher.v1.Task;
import build.thresher.v1.TaskState;

/** Spack's markers and words for the state of a node. */
final class TaskText {
  private TaskText() {}

  static String mark(TaskState state) {
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

  /** Empty for what is not worth a word. */
  static String describe(Task task) {
    return switch (task.getState()) {
      case TASK_WAITING, TASK_READY, TASK_STATE_UNSPECIFIED, UNRECOGNIZED ->
          Text.clean(task.getPhase());
      case TASK_LEASED -> task.getPhase().isEmpty() ? "starting" : Text.clean(task.getPhase());
      case TASK_PUBLISHING -> "publishing";
      case TASK_SUCCEEDED -> "";
      case TASK_FAILED -> "failed: " + Text.clean(task.getFailure().getMessage());
      case TASK_SKIPPED -> "skipped: a dependency failed";
      case TASK_CANCELLED -> "cancelled";
    };
  }

  static boolean hasEnded(TaskState state) {
    return switch (state) {
      case TASK_SUCCEEDED, TASK_FAILED, TASK_SKIPPED, TASK_CANCELLED -> true;
      case TASK_WAITING,
          TASK_READY,
          TASK_LEASED,
          TASK_PUBLISHING,
          TASK_STATE_UNSPECIFIED,
          UNRECOGNIZED ->
          false;
    };
  }

  static boolean isRunning(TaskState state) {
    return state == TaskState.TASK_LEASED || state == TaskState.TASK_PUBLISHING;
  }

  /** One line: marker, hash, spec, what it does, since when. */
  static String line(Task task, long seconds) {
    String what = describe(task);
    return mark(task.getState())
        + " "
        + Text.shortHash(task.getHash())
        + " "
        + Text.nameAndVersion(task)
        + (what.isEmpty() ? "" : " " + what)
        + (seconds < 0 ? "" : " (" + seconds + "s)");
  }
}
