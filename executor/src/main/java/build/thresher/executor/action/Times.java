package build.thresher.executor.action;

import build.bazel.remote.execution.v2.ExecutedActionMetadata;
import build.thresher.cas.client.WireTimes;
import com.google.protobuf.Timestamp;
import java.time.InstantSource;

/** When each part of an execution was. Used by one thread. */
final class Times {
  private final InstantSource clock;
  private final ExecutedActionMetadata.Builder metadata = ExecutedActionMetadata.newBuilder();

  Times(InstantSource clock, String worker, ActionTask task) {
    this.clock = clock;
    metadata.setWorker(worker).setWorkerStartTimestamp(now());
    task.queued().ifPresent(metadata::setQueuedTimestamp);
  }

  private Timestamp now() {
    return WireTimes.toWire(clock.instant());
  }

  void fetching() {
    metadata.setInputFetchStartTimestamp(now());
  }

  void running() {
    Timestamp now = now();
    metadata.setInputFetchCompletedTimestamp(now).setExecutionStartTimestamp(now);
  }

  void uploading() {
    Timestamp now = now();
    metadata.setExecutionCompletedTimestamp(now).setOutputUploadStartTimestamp(now);
  }

  ExecutedActionMetadata.Builder completed() {
    Timestamp now = now();
    return metadata.setOutputUploadCompletedTimestamp(now).setWorkerCompletedTimestamp(now);
  }
}
