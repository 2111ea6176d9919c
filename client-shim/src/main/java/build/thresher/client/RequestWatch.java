package build.thresher.client;

import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import build.thresher.v1.Task;
import build.thresher.v1.WaitExecutionRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Iterator;
import java.util.function.Consumer;

/**
 * Follows one request to its end over any number of broken connections. Nothing that happens here
 * cancels the request.
 *
 * <p>Until the farm has accepted it, a farm that is away is asked only a few times more: the user
 * stands before the terminal and nothing is lost. Afterwards it is waited for patiently.
 */
final class RequestWatch {
  private static final int TRIES_BEFORE_ACCEPTED = 3;
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);

  /** A farm that is away for so long is given up; the request goes on without us. */
  private static final Duration PATIENCE = Duration.ofMinutes(30);

  private final FarmGrpc.FarmBlockingStub farm;
  private final Progress progress;
  private final Consumer<Task> running;
  private final Duration firstPause;
  private boolean accepted;

  /**
   * @param running told of each task that has an execution, any number of times
   * @param firstPause before the second try; doubled up to five seconds
   */
  RequestWatch(
      FarmGrpc.FarmBlockingStub farm,
      Progress progress,
      Consumer<Task> running,
      Duration firstPause) {
    this.farm = farm;
    this.progress = progress;
    this.running = running;
    this.firstPause = firstPause;
  }

  private interface Call {
    Iterator<ExecuteUpdate> start();
  }

  /** Asks for it; the same id again joins what the first try started. */
  Request execute(ExecuteRequest request) throws InterruptedException {
    WaitExecutionRequest join =
        WaitExecutionRequest.newBuilder()
            .setInstanceName(request.getInstanceName())
            .setRequestId(request.getRequestId())
            .build();
    return follow(() -> accepted ? farm.waitExecution(join) : farm.execute(request));
  }

  /** Joins what somebody asked for. */
  Request join(WaitExecutionRequest request) throws InterruptedException {
    return follow(() -> farm.waitExecution(request));
  }

  private Request follow(Call call) throws InterruptedException {
    Duration pause = firstPause;
    int tries = 0;
    long giveUp = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      try {
        Iterator<ExecuteUpdate> updates = call.start();
        while (updates.hasNext()) {
          ExecuteUpdate update = updates.next();
          pause = firstPause;
          giveUp = System.nanoTime() + PATIENCE.toNanos();
          if (update.hasFinished()) {
            progress.finished(update.getFinished());
            return update.getFinished();
          }
          take(update);
        }
      } catch (StatusRuntimeException e) {
        tries++;
        if (!mayPass(e.getStatus(), tries) || System.nanoTime() - giveUp > 0) {
          throw e;
        }
        if (accepted) {
          progress.note(
              "==> Warning: the connection to the farm broke; the build goes on there, trying again");
        }
      }
      Thread.sleep(pause);
      Duration doubled = pause.multipliedBy(2);
      pause = doubled.compareTo(LONGEST_PAUSE) < 0 ? doubled : LONGEST_PAUSE;
    }
  }

  private void take(ExecuteUpdate update) {
    switch (update.getUpdateCase()) {
      case ACCEPTED -> {
        accepted = true;
        progress.accepted(update.getAccepted());
        update.getAccepted().getTasksList().forEach(this::tell);
      }
      case TASK -> {
        progress.task(update.getTask());
        tell(update.getTask());
      }
      case FINISHED, HEARTBEAT, UPDATE_NOT_SET -> {}
    }
  }

  private void tell(Task task) {
    if (!task.getExecution().isEmpty() && TaskText.isRunning(task.getState())) {
      running.accept(task);
    }
  }

  private boolean mayPass(Status status, int tries) {
    return switch (status.getCode()) {
      case UNAVAILABLE -> accepted || tries < TRIES_BEFORE_ACCEPTED;
      case CANCELLED, INTERNAL, UNKNOWN, ABORTED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED -> accepted;
      case OK,
          INVALID_ARGUMENT,
          NOT_FOUND,
          ALREADY_EXISTS,
          PERMISSION_DENIED,
          FAILED_PRECONDITION,
          OUT_OF_RANGE,
          UNIMPLEMENTED,
          DATA_LOSS,
          UNAUTHENTICATED ->
          false;
    };
  }
}
