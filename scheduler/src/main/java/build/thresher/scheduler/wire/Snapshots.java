package build.thresher.scheduler.wire;

import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Execution;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.core.TaskState;
import build.thresher.v1.Request;
import build.thresher.v1.Task;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Requests and tasks as clients see them. */
public final class Snapshots {
  private Snapshots() {}

  public static Task task(TaskSnapshot t) {
    Task.Builder b =
        Task.newBuilder()
            .setHash(t.key().hash())
            .setName(t.name())
            .setVersion(t.version())
            .setState(state(t.state()))
            .setAttempt(t.attempt())
            .setPhase(t.phase())
            .addAllWaitsFor(t.waitsFor());
    Execution execution = t.execution();
    if (execution != null) {
      b.setExecution(execution.fence().execution())
          .setExecutor(execution.executor().name())
          .setStarted(Wire.timestamp(execution.started()));
    }
    Ending ending = t.ending();
    if (ending.failure() != null) {
      b.setFailure(Wire.failure(ending.failure()));
    }
    if (ending.log() != null) {
      b.setLog(Wire.digest(ending.log()));
    }
    if (!ending.usage().equals(build.thresher.scheduler.core.Usage.NONE)) {
      b.setUsage(Wire.usage(ending.usage()));
    }
    if (t.finished() != null) {
      b.setFinished(Wire.timestamp(t.finished()));
    }
    return b.build();
  }

  public static Request request(RequestSnapshot r) {
    Request.Builder b = head(r.head(), r.state(), r.finished()).toBuilder();
    r.tasks().forEach(t -> b.addTasks(task(t)));
    return b.build();
  }

  /** Without tasks. */
  public static Request head(RequestHead head, RequestState state, @Nullable Instant finished) {
    Request.Builder b =
        Request.newBuilder()
            .setRequestId(head.id())
            .setInstanceName(head.instance())
            .setClient(head.client())
            .setState(state(state))
            .setCreated(Wire.timestamp(head.created()))
            .addAllRoots(head.roots())
            .addAllCached(head.cached())
            .addAllExternals(head.externals());
    if (finished != null) {
      b.setFinished(Wire.timestamp(finished));
    }
    return b.build();
  }

  public static TaskState state(build.thresher.v1.TaskState s) {
    return switch (s) {
      case TASK_WAITING -> TaskState.WAITING;
      case TASK_READY -> TaskState.READY;
      case TASK_LEASED -> TaskState.LEASED;
      case TASK_PUBLISHING -> TaskState.PUBLISHING;
      case TASK_SUCCEEDED -> TaskState.SUCCEEDED;
      case TASK_FAILED -> TaskState.FAILED;
      case TASK_SKIPPED -> TaskState.SKIPPED;
      case TASK_CANCELLED -> TaskState.CANCELLED;
      case TASK_STATE_UNSPECIFIED, UNRECOGNIZED ->
          throw new IllegalArgumentException("a task has a state, not " + s);
    };
  }

  private static build.thresher.v1.TaskState state(TaskState s) {
    return switch (s) {
      case WAITING -> build.thresher.v1.TaskState.TASK_WAITING;
      case READY -> build.thresher.v1.TaskState.TASK_READY;
      case LEASED -> build.thresher.v1.TaskState.TASK_LEASED;
      case PUBLISHING -> build.thresher.v1.TaskState.TASK_PUBLISHING;
      case SUCCEEDED -> build.thresher.v1.TaskState.TASK_SUCCEEDED;
      case FAILED -> build.thresher.v1.TaskState.TASK_FAILED;
      case SKIPPED -> build.thresher.v1.TaskState.TASK_SKIPPED;
      case CANCELLED -> build.thresher.v1.TaskState.TASK_CANCELLED;
    };
  }

  public static RequestState state(build.thresher.v1.RequestState s) {
    return switch (s) {
      case REQUEST_ACTIVE -> RequestState.ACTIVE;
      case REQUEST_SUCCEEDED -> RequestState.SUCCEEDED;
      case REQUEST_FAILED -> RequestState.FAILED;
      case REQUEST_CANCELLED -> RequestState.CANCELLED;
      case REQUEST_STATE_UNSPECIFIED, UNRECOGNIZED ->
          throw new IllegalArgumentException("a request has a state, not " + s);
    };
  }

  private static build.thresher.v1.RequestState state(RequestState s) {
    return switch (s) {
      case ACTIVE -> build.thresher.v1.RequestState.REQUEST_ACTIVE;
      case SUCCEEDED -> build.thresher.v1.RequestState.REQUEST_SUCCEEDED;
      case FAILED -> build.thresher.v1.RequestState.REQUEST_FAILED;
      case CANCELLED -> build.thresher.v1.RequestState.REQUEST_CANCELLED;
    };
  }
}
