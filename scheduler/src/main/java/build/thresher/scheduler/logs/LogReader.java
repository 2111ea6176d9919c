package build.thresher.scheduler.logs;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.History;
import io.grpc.Status;
import java.io.InputStream;
import java.time.Duration;
import java.util.Optional;

/**
 * Reads the log of an execution: from the live file while it runs, from the blob once it has ended
 * and there is one. Both hold the same bytes at the same offsets.
 */
public final class LogReader {
  private static final int CHUNK = 64 << 10;

  /** An end is noticed at the latest after this; growth is noticed at once. */
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final CoreLoop core;
  private final History history;
  private final BlobStore blobs;
  private final LogStore logs;

  public LogReader(CoreLoop core, History history, BlobStore blobs, LogStore logs) {
    this.core = core;
    this.history = history;
    this.blobs = blobs;
    this.logs = logs;
  }

  /** Takes what is read. */
  public interface Sink {
    /** True when nobody listens any more. */
    boolean isGone();

    /**
     * @param offset in the log, of the first of these bytes
     */
    void send(long offset, byte[] data, int length) throws Exception;
  }

  /**
   * Sends a log from an offset to its end.
   *
   * @param follow wait for more while the execution runs
   * @throws io.grpc.StatusException NOT_FOUND when there is no such execution, or no longer
   */
  public void read(String execution, LogStream stream, long from, boolean follow, Sink sink)
      throws Exception {
    if (from < 0) {
      throw Status.INVALID_ARGUMENT.withDescription("a negative offset").asException();
    }
    long offset = from;
    while (!sink.isGone()) {
      boolean running = core.ask(view -> view.isRunning(execution));
      Optional<Change.ExecutionEnded> ended =
          running ? Optional.empty() : history.execution(execution);
      if (!running && ended.isEmpty()) {
        throw Status.NOT_FOUND
            .withDescription("no execution `" + execution + "`, or no longer")
            .asException();
      }
      Digest whole =
          stream == LogStream.BUILD ? ended.map(e -> e.ending().log()).orElse(null) : null;
      if (whole != null) {
        sendBlob(Scope.farm(ended.orElseThrow().key().instance()), whole, offset, sink);
        return;
      }
      offset = sendLive(execution, stream, offset, sink);
      if (!follow || !running) {
        return;
      }
      logs.await(execution, stream, offset, PATIENCE);
    }
  }

  private long sendLive(String execution, LogStream stream, long from, Sink sink) throws Exception {
    long offset = from;
    while (true) {
      byte[] data = logs.read(execution, stream, offset, CHUNK);
      if (data.length == 0) {
        return offset;
      }
      sink.send(offset, data, data.length);
      offset += data.length;
    }
  }

  private void sendBlob(Scope scope, Digest log, long from, Sink sink) throws Exception {
    if (from >= log.sizeBytes()) {
      return;
    }
    long offset = from;
    try (InputStream in = blobs.read(scope, log, from, Long.MAX_VALUE)) {
      byte[] data = new byte[CHUNK];
      for (int n = in.readNBytes(data, 0, CHUNK); n > 0; n = in.readNBytes(data, 0, CHUNK)) {
        sink.send(offset, data, n);
        offset += n;
      }
    }
  }
}
