package build.thresher.cas.http;

import io.helidon.http.Headers;
import io.helidon.http.HttpPrologue;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.http1.Http1ConnectionListener;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Ends connections whose client sends a request's headers, or a body that nobody asked for, a few
 * bytes at a time: the timeouts of the socket and of idle connections begin anew with each byte, so
 * that a handful of machines could hold all connections that there are, without a token.
 *
 * <p>Threading: a connection has a thread of its own, and what it waits for is known by it.
 */
final class SlowRequests implements Http1ConnectionListener, AutoCloseable {
  private static final ThreadLocal<StallGuard.@Nullable Transfer> WAITING = new ThreadLocal<>();

  private final StallGuard guard;

  /**
   * @param patience for all headers, or all of an unread body
   */
  SlowRequests(Duration patience) {
    this.guard = new StallGuard(patience, System::nanoTime);
  }

  @Override
  public void prologue(ConnectionContext connection, HttpPrologue prologue) {
    begin();
  }

  @Override
  public void headers(ConnectionContext connection, Headers headers) {
    end();
  }

  /** From now on to the next request on this connection there is only so much time. */
  void begin() {
    end();
    WAITING.set(guard.begin());
  }

  private void end() {
    StallGuard.Transfer before = WAITING.get();
    if (before != null) {
      before.close();
      WAITING.remove();
    }
  }

  @Override
  public void close() {
    guard.close();
  }
}
