package build.thresher.scheduler.farm;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.History;
import build.thresher.scheduler.shell.StreamWriter;
import build.thresher.scheduler.worker.LogStore;
import build.thresher.v1.ReadLogRequest;
import build.thresher.v1.ReadLogResponse;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import java.io.InputStream;
import java.time.Duration;
import java.util.Optional;

/**
 * Reads the log of an execution: from the live file while it runs, from the blob once it has ended
 * and there is one. Both hold the same bytes at the same offsets.
 */
final class LogReader {
  private static final int CHUNK = 64 << 10;

  /** An end is noticed at the latest after this; growth is noticed at once. */
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final CoreLoop core;
  private final History history;
  private final BlobStore blobs;
  private final LogStore logs;

  LogReader(CoreLoop core, History history, BlobStore blobs, LogStore logs) {
    this.core = core;
    this.history = history;
    this.blobs = blobs;
    this.logs = logs;
  }

  void read(ReadLogRequest request, StreamWriter<ReadLogResponse> answers) throws Exception {
    String execution = request.getExecution();
    if (request.getOffset() < 0) {
      throw Status.INVALID_ARGUMENT.withDescription("a negative offset").asException();
    }
    long offset = request.getOffset();
    while (!answers.isGone()) {
      boolean running = core.ask(view -> view.isRunning(execution));
      Optional<Change.ExecutionEnded> ended =
          running ? Optional.empty() : history.execution(execution);
      if (!running && ended.isEmpty()) {
        throw Status.NOT_FOUND
            .withDescription("no execution `" + execution + "`, or no longer")
            .asException();
      }
      Digest whole = ended.map(e -> e.ending().log()).orElse(null);
      if (whole != null) {
        sendBlob(Scope.farm(ended.orElseThrow().key().instance()), whole, offset, answers);
        return;
      }
      offset = sendLive(execution, offset, answers);
      if (!request.getFollow() || !running) {
        return;
      }
      logs.await(execution, offset, PATIENCE);
    }
  }

  private long sendLive(String execution, long from, StreamWriter<ReadLogResponse> answers)
      throws Exception {
    long offset = from;
    while (true) {
      byte[] data = logs.read(execution, offset, CHUNK);
      if (data.length == 0) {
        return offset;
      }
      send(answers, offset, data, data.length);
      offset += data.length;
    }
  }

  private void sendBlob(Scope scope, Digest log, long from, StreamWriter<ReadLogResponse> answers)
      throws Exception {
    if (from >= log.sizeBytes()) {
      return;
    }
    long offset = from;
    try (InputStream in = blobs.read(scope, log, from, Long.MAX_VALUE)) {
      byte[] data = new byte[CHUNK];
      for (int n = in.readNBytes(data, 0, CHUNK); n > 0; n = in.readNBytes(data, 0, CHUNK)) {
        send(answers, offset, data, n);
        offset += n;
      }
    }
  }

  private static void send(
      StreamWriter<ReadLogResponse> answers, long offset, byte[] data, int length)
      throws Exception {
    answers.send(
        ReadLogResponse.newBuilder()
            .setOffset(offset)
            .setData(ByteString.copyFrom(data, 0, length))
            .build());
  }
}
