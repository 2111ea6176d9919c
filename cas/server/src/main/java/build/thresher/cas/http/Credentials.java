package build.thresher.cas.http;

import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.ServerRequest;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Optional;

/** Reads who makes a request. A token is sent as it is (Bearer), or as the password (Basic). */
public final class Credentials {
  private static final String BEARER = "Bearer ";
  private static final String BASIC = "Basic ";

  private Credentials() {}

  public static Requester of(ServerRequest request) {
    return new Requester(
        request.headers().first(HeaderNames.AUTHORIZATION).flatMap(Credentials::token),
        address(request));
  }

  private static String address(ServerRequest request) {
    return request.remotePeer().address() instanceof InetSocketAddress socket
            && socket.getAddress() != null
        ? socket.getAddress().getHostAddress()
        : "";
  }

  private static Optional<String> token(String header) {
    if (header.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
      return Optional.of(header.substring(BEARER.length()).strip());
    }
    if (!header.regionMatches(true, 0, BASIC, 0, BASIC.length())) {
      return Optional.empty();
    }
    try {
      byte[] pair = Base64.getDecoder().decode(header.substring(BASIC.length()).strip());
      String text = new String(pair, StandardCharsets.ISO_8859_1);
      String password = text.substring(text.indexOf(':') + 1);
      // Some clients send an empty pair where they have none.
      return password.isEmpty() ? Optional.empty() : Optional.of(password);
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }
}
