package build.thresher.client;

import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import build.thresher.v1.WaitExecutionRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Iterator;

/**
 * Follows one request to its end over any number of broken connections. Nothing that happens here
 * cancels the request.
 */
final class RequestWatch {
  private static final Duration FIRST_PAUSE = Duration.ofMillis(200);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);

  /** A farm that is away for so long is given up; the request goes on without us. */
  private static final Duration PATIENCE = Duration.ofMinutes(10);

  private final FarmGrpc.FarmBlockingStub farm;
  private final Progress progress;
  private final PrintStream err;
  private boolean accepted;

  RequestWatch(FarmGrpc.FarmBlockingStub farm, Progress progress, PrintStream err) {
    this.farm = farm;
    this.progress = progress;
    this.err = err;
  }

  /** Returns the request as it ended. */
  Request execute(ExecuteRequest request) throws InterruptedException {
    Duration pause = FIRST_PAUSE;
    long giveUp = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      try {
        // Execute with the same id joins what it started, so it serves for the first try and for
        // every other.
        Iterator<ExecuteUpdate> updates = accepted ? join(request) : farm.execute(request);
        while (updates.hasNext()) {
          ExecuteUpdate update = updates.next();
          pause = FIRST_PAUSE;
          giveUp = System.nanoTime() + PATIENCE.toNanos();
          switch (update.getUpdateCase()) {
            case ACCEPTED -> {
              if (!accepted) {
                progress.accepted(update.getAccepted());
              }
              accepted = true;
            }
            case TASK -> progress.task(update.getTask());
            case FINISHED -> {
              return update.getFinished();
            }
            case HEARTBEAT, UPDATE_NOT_SET -> {}
          }
        }
      } catch (StatusRuntimeException e) {
        if (!passing(e.getStatus())
            || (!accepted && e.getStatus().getCode() == Status.Code.UNAVAILABLE)
            || System.nanoTime() > giveUp) {
          throw e;
        }
        err.println(
            "==> Warning: the connection to the farm broke; the build goes on there, trying again");
      }
      Thread.sleep(pause);
      Duration doubled = pause.multipliedBy(2);
      pause = doubled.compareTo(LONGEST_PAUSE) < 0 ? doubled : LONGEST_PAUSE;
    }
  }

  private Iterator<ExecuteUpdate> join(ExecuteRequest request) {
    return farm.waitExecution(
        WaitExecutionRequest.newBuilder()
            .setInstanceName(request.getInstanceName())
            .setRequestId(request.getRequestId())
            .build());
  }

  private static boolean passing(Status status) {
    return switch (status.getCode()) {
      case UNAVAILABLE, CANCELLED, INTERNAL, UNKNOWN, ABORTED -> true;
      default -> false;
    };
  }
}
