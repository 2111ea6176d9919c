package build.thresher.cas.http;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.mirror.RocksSpackMirror;
import com.google.common.collect.ImmutableMap;
import io.helidon.common.tls.Tls;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.WebServerConfig;
import io.helidon.webserver.http.FilterChain;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.RoutingRequest;
import io.helidon.webserver.http.RoutingResponse;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.helidon.webserver.http1.Http1Config;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The farm's HTTP server: HTTP/1.1 on virtual threads, one for each connection.
 *
 * <p>Refuses: more than {@link MirrorHttpOptions#maxConnections} at a time, request lines over 4
 * KiB, headers over 16 KiB, bodies, clients that send or read nothing for too long.
 */
public final class MirrorServer implements AutoCloseable {
  private static final int MAX_REQUEST_LINE_BYTES = 4 << 10;
  private static final int MAX_HEADER_BYTES = 16 << 10;
  private static final long MAX_BODY_BYTES = 64L << 30; // one archive, in one request
  private static final Duration GRACE = Duration.ofSeconds(5);

  private final WebServer server;
  private final ServedBytes bytes;
  private final SlowRequests slow;
  private final List<Door> doors;

  private MirrorServer(WebServer server, ServedBytes bytes, SlowRequests slow, List<Door> doors) {
    this.server = server;
    this.bytes = bytes;
    this.slow = slow;
    this.doors = List.copyOf(doors);
  }

  /** Listens when it returns. */
  public static MirrorServer start(
      MirrorHttpOptions options,
      RocksSpackMirror mirror,
      BlobStore blobs,
      SourceLookup sources,
      AccessCheck access,
      ImmutableMap<String, Handler> doors) {
    return start(options, mirror, blobs, sources, access, doors, () -> "");
  }

  /**
   * @param sources what is served beside binary packages
   * @param doors what answers below other paths, the only places where bodies are taken: Helidon's
   *     path patterns
   * @param trouble what keeps the farm from its work, said by {@code /healthz} with 503; empty
   *     where nothing does
   */
  public static MirrorServer start(
      MirrorHttpOptions options,
      RocksSpackMirror mirror,
      BlobStore blobs,
      SourceLookup sources,
      AccessCheck access,
      ImmutableMap<String, Handler> doors,
      Supplier<String> trouble) {
    ServedBytes bytes = new ServedBytes(blobs, options.stallTimeout());
    SlowRequests slow = new SlowRequests(options.idleTimeout());
    List<Door> opened = new ArrayList<>();
    HttpRouting.Builder routing =
        HttpRouting.builder()
            .addFilter((chain, request, response) -> answer(chain, request, response, slow));
    doors.forEach((path, handler) -> routing.any(path, door(handler, opened)));
    routing.any(door(new MirrorHandler(mirror, sources, access, trouble, bytes), opened));
    WebServerConfig.Builder config =
        WebServer.builder()
            .host(options.host())
            .port(options.port())
            .shutdownHook(false)
            .useNio(false)
            .featuresDiscoverServices(false)
            .protocolsDiscoverServices(false)
            .addProtocol(
                Http1Config.builder()
                    .maxPrologueLength(MAX_REQUEST_LINE_BYTES)
                    .maxHeadersSize(MAX_HEADER_BYTES)
                    .addReceiveListener(slow)
                    .build())
            .connectionOptions(c -> c.readTimeout(options.idleTimeout()))
            .idleConnectionTimeout(options.idleTimeout())
            .idleConnectionPeriod(Duration.ofSeconds(5))
            .maxTcpConnections(options.maxConnections())
            .maxPayloadSize(doors.isEmpty() ? 0 : MAX_BODY_BYTES)
            .shutdownGracePeriod(GRACE)
            .routing(routing);
    options.tls().ifPresent(context -> config.tls(Tls.builder().sslContext(context).build()));
    return new MirrorServer(config.build().start(), bytes, slow, opened);
  }

  /**
   * What leads to a handler until the server stops. Helidon (4.5.0) never ends a timer of a stopped
   * server that leads to its routing, and so would hold stores and all that was theirs.
   */
  private static final class Door implements Handler {
    private volatile @Nullable Handler behind;

    Door(Handler behind) {
      this.behind = behind;
    }

    @Override
    public void handle(ServerRequest request, ServerResponse response) throws Exception {
      Handler handler = behind;
      if (handler == null) {
        throw new CloseConnectionException("the server has stopped");
      }
      handler.handle(request, response);
    }
  }

  private static Door door(Handler handler, List<Door> opened) {
    Door door = new Door(handler);
    opened.add(door);
    return door;
  }

  /**
   * Closes the connection after the answer to a client that asked for it. Helidon (4.5.0) says so
   * in the answer and then waits for the client until the connection is idle for too long; a client
   * that reads to the end waits as long. A body that nobody read stays Helidon's to deal with: if
   * it were cut off, the client would lose the answer too.
   */
  private static void answer(
      FilterChain chain, RoutingRequest request, RoutingResponse response, SlowRequests slow) {
    boolean asked = request.headers().containsToken(HeaderValues.CONNECTION_CLOSE);
    if (asked) {
      response.header(HeaderValues.CONNECTION_CLOSE);
    }
    chain.proceed();
    boolean read = !request.content().hasEntity() || request.content().consumed();
    if (!read) {
      slow.begin();
    }
    if (asked && read && response.isSent()) {
      throw new CloseConnectionException("as the client asked");
    }
  }

  /** The port that it listens on. */
  public int port() {
    return server.port();
  }

  /** Takes no new connection, lets requests end for some seconds, and stops. */
  public void stop() {
    server.stop();
    doors.forEach(door -> door.behind = null);
    bytes.close();
    slow.close();
  }

  @Override
  public void close() {
    stop();
  }
}
