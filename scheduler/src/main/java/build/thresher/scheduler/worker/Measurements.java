package build.thresher.scheduler.worker;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.ExecutedActionMetadata;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.ActionMeasurements;
import build.thresher.v1.CompleteRequest;
import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.Timestamp;
import java.time.DateTimeException;

/** Writes into the result of an action what its execution cost, for people and their tools. */
final class Measurements {
  private Measurements() {}

  static ActionResult addedTo(CompleteRequest request) {
    ActionResult result = request.getActionResult();
    ExecutedActionMetadata times = result.getExecutionMetadata();
    ActionMeasurements measured =
        ActionMeasurements.newBuilder()
            .setQueue(between(times.getQueuedTimestamp(), times.getWorkerStartTimestamp()))
            .setInputFetch(
                between(
                    times.getInputFetchStartTimestamp(), times.getInputFetchCompletedTimestamp()))
            .setExecution(
                between(times.getExecutionStartTimestamp(), times.getExecutionCompletedTimestamp()))
            .setOutputUpload(
                between(
                    times.getOutputUploadStartTimestamp(),
                    times.getOutputUploadCompletedTimestamp()))
            .setUsage(request.getUsage())
            .setAttempt(request.getFence().getAttempt())
            .build();
    return result.toBuilder()
        .setExecutionMetadata(times.toBuilder().addAuxiliaryMetadata(Any.pack(measured)))
        .build();
  }

  /** Never negative, for the clocks of two machines may disagree. */
  private static Duration between(Timestamp start, Timestamp end) {
    java.time.Duration between;
    try {
      between = java.time.Duration.between(Wire.instant(start), Wire.instant(end));
    } catch (DateTimeException | ArithmeticException e) {
      return Duration.getDefaultInstance(); // no times at all
    }
    return between.isNegative() ? Duration.getDefaultInstance() : Wire.duration(between);
  }
}
