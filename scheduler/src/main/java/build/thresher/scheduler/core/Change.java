package build.thresher.scheduler.core;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** A record to store. Later ones of a batch replace earlier ones about the same thing. */
public sealed interface Change {
  record RequestPut(RequestHead head) implements Change {}

  /** The request is over; from now on it is history. */
  record RequestFinished(RequestHead head, RequestState state, Instant finished)
      implements Change {}

  /**
   * A request waits for a task.
   *
   * @param position place among the request's tasks
   * @param own what the request wanted, where that is not what the task is
   */
  record HoldPut(String requestId, int position, TaskKey key, long taskId, @Nullable Definition own)
      implements Change {}

  /** A task ended as far as the request is concerned. */
  record HoldEnded(String requestId, int position, TaskSnapshot task) implements Change {}

  record TaskDefined(long taskId, Definition definition) implements Change {}

  record TaskPut(TaskSnapshot task) implements Change {}

  record TaskGone(long taskId) implements Change {}

  /** An attempt is over, whatever became of its task. */
  record ExecutionEnded(TaskKey key, Execution execution, Ending ending, Instant finished)
      implements Change {}

  record FailurePut(RememberedFailure failure) implements Change {}

  /** How long a build of this package takes. */
  record DurationPut(String name, double seconds) implements Change {}
}
