package build.thresher.cas.reapi;

import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends a stream as fast as its reader takes it: the next message is made when the transport has
 * room. A reader that stalls costs {@link #AHEAD_BYTES} and no thread. gRPC calls it serially, on
 * the server's executor, where it may block.
 */
final class StreamPump<T> {
  private static final Logger log = LoggerFactory.getLogger(StreamPump.class);

  /** Made before the transport took it, so that the disk and the network work at the same time. */
  private static final int AHEAD_BYTES = 192 << 10;

  private final ServerCallStreamObserver<T> out;
  private final Source<T> source;
  private boolean done;

  /** Where the messages come from. */
  interface Source<T> extends AutoCloseable {
    /** The next message, or null at the end. */
    @Nullable T next() throws IOException;

    @Override
    default void close() throws IOException {}
  }

  private StreamPump(ServerCallStreamObserver<T> out, Source<T> source) {
    this.out = out;
    this.source = source;
  }

  /** Sends all of a source and closes it, whatever happens. */
  static <T> void start(StreamObserver<T> observer, Source<T> source) {
    // What a generated service is handed is always of this type.
    ServerCallStreamObserver<T> out = (ServerCallStreamObserver<T>) observer;
    StreamPump<T> pump = new StreamPump<>(out, source);
    out.setOnReadyThreshold(AHEAD_BYTES);
    out.setOnCancelHandler(pump::end);
    out.setOnReadyHandler(pump::send);
  }

  private void send() {
    try {
      while (!done && out.isReady()) {
        T message = source.next();
        if (message == null) {
          end();
          out.onCompleted();
        } else {
          out.onNext(message);
        }
      }
    } catch (IOException | RuntimeException e) {
      end();
      out.onError(Statuses.of(e).asRuntimeException());
    }
  }

  private void end() {
    if (!done) {
      done = true;
      try {
        source.close();
      } catch (IOException e) {
        log.warn("closing what was sent failed", e);
      }
    }
  }
}
