package build.thresher.client;

import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import com.google.common.base.CharMatcher;
import com.google.common.net.HostAndPort;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which farm, and how it lets us in; the same for every client command. */
final class FarmOptions {
  @Option(
      names = "--server",
      paramLabel = "HOST:PORT",
      description = "gRPC address of the farm. Default: THRESHER_SERVER, else 127.0.0.1:8980.",
      defaultValue = "${env:THRESHER_SERVER:-127.0.0.1:8980}")
  private String server = "";

  @Option(
      names = "--instance",
      paramLabel = "NAME",
      description = "Instance of the farm. Default: THRESHER_INSTANCE, else the farm's first.",
      defaultValue = "${env:THRESHER_INSTANCE:-}")
  private String instance = "";

  @Option(
      names = "--token-file",
      paramLabel = "FILE",
      description =
          "File with the farm's token. Default: THRESHER_TOKEN_FILE, else ~/.config/thresher/token.",
      defaultValue = "${env:THRESHER_TOKEN_FILE}")
  private @Nullable Path tokenFile;

  @Option(
      names = "--tls-ca",
      paramLabel = "FILE",
      description = "Certificate authority of the farm (PEM). Default: no TLS, for loopback.",
      defaultValue = "${env:THRESHER_TLS_CA}")
  private @Nullable Path certificateAuthority;

  String instance() {
    return instance;
  }

  String server() {
    return server;
  }

  /** Opens a connection; the caller shuts it down. */
  ManagedChannel connect() throws IOException, ClientException {
    checkServer();
    return FarmChannel.open(new FarmEndpoint(server, token(), certificateAuthority));
  }

  private void checkServer() throws ClientException {
    boolean complete;
    try {
      complete = HostAndPort.fromString(server).requireBracketsForIPv6().hasPort();
    } catch (IllegalArgumentException e) {
      complete = false;
    }
    if (!complete) {
      throw new ClientException(
          ClientException.USAGE,
          "the farm's address `" + server + "` is not HOST:PORT (--server or THRESHER_SERVER)");
    }
  }

  /** What lets us in; null where nothing is needed. */
  @Nullable String token() throws IOException, ClientException {
    String direct = System.getenv("THRESHER_TOKEN");
    if (direct != null && !direct.isBlank()) {
      return checked(direct, "THRESHER_TOKEN");
    }
    Path usual = Path.of(System.getProperty("user.home"), ".config", "thresher", "token");
    Path file = tokenFile == null ? usual : tokenFile;
    if (tokenFile == null && !Files.exists(usual)) {
      return null; // an open farm asks for none
    }
    return checked(Files.readString(file, StandardCharsets.ISO_8859_1), file.toString());
  }

  /** What a header cannot carry is refused here, without showing it. */
  private static String checked(String text, String where) throws ClientException {
    String token = text.strip();
    if (token.isEmpty() || !CharMatcher.inRange('!', '~').matchesAllOf(token)) {
      throw new ClientException(
          ClientException.USAGE, where + " holds no token: one word of printable ASCII");
    }
    return token;
  }

  /** What a failed call means for a person. */
  ClientException explain(StatusRuntimeException e) {
    Status status = e.getStatus();
    String said =
        status.getDescription() == null ? status.getCode().name() : status.getDescription();
    return switch (status.getCode()) {
      case UNAVAILABLE, DEADLINE_EXCEEDED ->
          new ClientException(
              ClientException.UNREACHABLE,
              "the farm at " + server + " does not answer (" + said + "); is `thresher serve` up?");
      case UNAUTHENTICATED, PERMISSION_DENIED ->
          new ClientException(
              ClientException.REFUSED,
              said + "; name the farm's token with --token-file or THRESHER_TOKEN_FILE");
      default -> new ClientException(ClientException.REFUSED, said);
    };
  }
}
