package build.thresher.executor.core;

import build.thresher.executor.outputs.BuildLog;
import build.thresher.v1.Fence;
import build.thresher.v1.LogStream;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends the log of a running build to the server as it grows. The server's committed offset is the
 * only state: after any failure the next send goes on from it. A log that cannot be sent harms
 * nothing: the whole of it is uploaded at the end.
 */
final class LogShipper implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(LogShipper.class);
  private static final Duration INTERVAL = Duration.ofMillis(200);
  private static final Duration PAUSE = Duration.ofSeconds(2);
  private static final int CHUNK = 256 << 10;

  private final Farm farm;
  private final Fence fence;
  private final LogStream stream;
  private final BuildLog buildLog;
  private final CountDownLatch closing = new CountDownLatch(1);
  private long committed;

  /** There is none before there is something to send: most actions say nothing. Guarded by this. */
  private @Nullable Thread thread;

  LogShipper(Farm farm, Fence fence, LogStream stream, BuildLog buildLog) {
    this.farm = farm;
    this.fence = fence;
    this.stream = stream;
    this.buildLog = buildLog;
    buildLog.whenWritten(this::start);
  }

  private synchronized void start() {
    if (thread == null) {
      thread = Thread.ofVirtual().name("log-" + fence.getExecution()).start(this::run);
    }
  }

  private synchronized @Nullable Thread thread() {
    return thread;
  }

  private void run() {
    try {
      Duration pause = INTERVAL;
      while (!closing.await(pause.toMillis(), TimeUnit.MILLISECONDS)) {
        pause = ship() ? INTERVAL : PAUSE;
      }
      ship();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      log.warn("the log of {} cannot be read: {}", fence.getExecution(), e.toString());
    }
  }

  /** Sends what is new; false when the server did not take it. */
  private boolean ship() throws IOException {
    while (true) {
      byte[] data = buildLog.read(committed, CHUNK);
      if (data.length == 0) {
        return true;
      }
      try {
        committed = farm.appendLog(fence, stream, committed, data);
      } catch (StatusRuntimeException e) {
        if (e.getStatus().getCode() == Status.Code.OUT_OF_RANGE && committed > 0) {
          committed = 0; // The server has forgotten; the answer says from where to go on.
        }
        log.debug("the log of {} was not taken: {}", fence.getExecution(), e.getMessage());
        return false;
      }
    }
  }

  /** Sends the rest, if the server takes it in a moment, and stops. */
  void finish() throws InterruptedException {
    closing.countDown();
    Thread sending = thread();
    if (sending == null) {
      return;
    }
    if (!sending.join(INTERVAL.multipliedBy(5))) {
      // A call hangs: nobody waits for that.
      sending.interrupt();
    }
    sending.join();
  }

  @Override
  public void close() {
    closing.countDown();
    Thread sending = thread();
    if (sending != null) {
      sending.interrupt();
    }
  }
}
