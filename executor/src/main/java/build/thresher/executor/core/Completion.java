package build.thresher.executor.core;

import build.thresher.executor.core.RunningLease.Ending;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells the server how an execution ended, until it has heard or does not want to. Stateless. */
final class Completion {
  private static final Logger log = LoggerFactory.getLogger(Completion.class);
  private static final int MAX_REFUSALS = 5;

  private final Farm farm;
  private final Registration registration;
  private final RandomGenerator random;

  Completion(Farm farm, Registration registration, RandomGenerator random) {
    this.farm = farm;
    this.registration = registration;
    this.random = random;
  }

  /** Uploads the outputs of a build once more. */
  interface Uploader {
    void uploadAgain() throws IOException;
  }

  /**
   * Returns when the server has acknowledged, or has no use for the result. One that it calls
   * invalid becomes a failure with the server's words. What it cannot take for another reason is
   * given up after a few tries: the lease then lapses.
   */
  void send(RunningLease lease, CompleteRequest result, Uploader uploader)
      throws InterruptedException {
    Backoff backoff = new Backoff(random);
    int refusals = 0;
    CompleteRequest told = result;
    while (lease.ending() != Ending.LOST && refusals < MAX_REFUSALS) {
      long generation = registration.generation();
      try {
        farm.complete(told.toBuilder());
        return;
      } catch (StatusRuntimeException e) {
        Status.Code code = e.getStatus().getCode();
        log.info("{} {}: completing failed: {}", lease.hash(), id(lease), e.getMessage());
        if (code == Status.Code.ABORTED) {
          return;
        }
        if (code == Status.Code.INVALID_ARGUMENT) {
          told = refused(result, e);
        }
        if (code == Status.Code.FAILED_PRECONDITION) {
          uploadAgain(lease, uploader);
        }
        if (isRefusal(code)) {
          refusals++;
        }
        if (registration.recover(e, generation)) {
          refusals++;
          continue;
        }
      }
      backoff.pause();
    }
    if (refusals >= MAX_REFUSALS) {
      log.warn("{} {}: the server does not take the result; given up", lease.hash(), id(lease));
    }
  }

  private static CompleteRequest refused(CompleteRequest result, StatusRuntimeException why) {
    return CompleteRequest.newBuilder()
        .setFence(result.getFence())
        .setFailure(
            Failure.newBuilder()
                .setFailureClass(FailureClass.FAILURE_INFRASTRUCTURE)
                .setMessage(
                    "the farm does not take the result: " + why.getStatus().getDescription()))
        .build();
  }

  /** What stays as it is however often the call is repeated, or does so only by new uploads. */
  private static boolean isRefusal(Status.Code code) {
    return switch (code) {
      case FAILED_PRECONDITION,
          INVALID_ARGUMENT,
          PERMISSION_DENIED,
          UNIMPLEMENTED,
          OUT_OF_RANGE,
          ALREADY_EXISTS,
          DATA_LOSS ->
          true;
      case OK,
          CANCELLED,
          UNKNOWN,
          DEADLINE_EXCEEDED,
          NOT_FOUND,
          RESOURCE_EXHAUSTED,
          ABORTED,
          INTERNAL,
          UNAVAILABLE,
          UNAUTHENTICATED ->
          false;
    };
  }

  private static void uploadAgain(RunningLease lease, Uploader uploader) {
    try {
      uploader.uploadAgain();
    } catch (IOException e) {
      log.warn("{} {}: uploading again failed: {}", lease.hash(), id(lease), e.toString());
    }
  }

  private static String id(RunningLease lease) {
    return lease.fence().getExecution();
  }
}
