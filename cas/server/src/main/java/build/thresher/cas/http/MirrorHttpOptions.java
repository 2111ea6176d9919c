package build.thresher.cas.http;

import java.time.Duration;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * Where and how the HTTP side listens.
 *
 * @param port 0 for any free one
 * @param tls empty for plain HTTP, which belongs on loopback
 * @param maxConnections further ones wait in the backlog
 * @param idleTimeout a connection without a request for so long is closed; as long a request may
 *     take to arrive
 * @param stallTimeout a client that takes no byte of its answer for so long is disconnected
 */
public record MirrorHttpOptions(
    String host,
    int port,
    Optional<SSLContext> tls,
    int maxConnections,
    Duration idleTimeout,
    Duration stallTimeout) {

  public static MirrorHttpOptions listeningOn(String host, int port) {
    return new MirrorHttpOptions(
        host, port, Optional.empty(), 4096, Duration.ofSeconds(30), Duration.ofMinutes(1));
  }

  /** The same, over TLS. */
  public MirrorHttpOptions withTls(SSLContext context) {
    return new MirrorHttpOptions(
        host, port, Optional.of(context), maxConnections, idleTimeout, stallTimeout);
  }
}
