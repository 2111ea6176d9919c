package build.thresher.deploy;

import com.google.common.collect.ImmutableSet;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.time.Duration;
import java.util.function.LongSupplier;

/**
 * Counts the calls that do something, so that a server that stops can let them end. Those that only
 * wait for news are not counted: they last as long as they are let, and whoever made them makes
 * them again. Thread-safe.
 */
final class InFlightCalls implements ServerInterceptor {
  private static final ImmutableSet<String> WAITING =
      ImmutableSet.of(
          "thresher.v1.Executors/Lease",
          "thresher.v1.Farm/Execute",
          "thresher.v1.Farm/WaitExecution",
          "thresher.v1.Farm/ReadLog",
          "build.bazel.remote.execution.v2.Execution/Execute",
          "build.bazel.remote.execution.v2.Execution/WaitExecution",
          "google.longrunning.Operations/WaitOperation",
          "grpc.health.v1.Health/Watch");

  private final LongSupplier nanoTime;
  private int running;

  InFlightCalls(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    if (WAITING.contains(call.getMethodDescriptor().getFullMethodName())) {
      return next.startCall(call, headers);
    }
    begin();
    return new SimpleForwardingServerCallListener<>(next.startCall(call, headers)) {
      @Override
      public void onComplete() {
        end();
        super.onComplete();
      }

      @Override
      public void onCancel() {
        end();
        super.onCancel();
      }
    };
  }

  private synchronized void begin() {
    running++;
  }

  /** gRPC ends each call by exactly one of complete and cancel. */
  private synchronized void end() {
    running--;
    notifyAll();
  }

  /** Waits until no call is left, at most so long; true when so. */
  synchronized boolean awaitNone(Duration limit) throws InterruptedException {
    long deadline = nanoTime.getAsLong() + limit.toNanos();
    while (running > 0) {
      long millis = (deadline - nanoTime.getAsLong()) / 1_000_000;
      if (millis <= 0) {
        return false;
      }
      wait(millis);
    }
    return true;
  }
}
