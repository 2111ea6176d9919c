package build.thresher.cas.client;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Where a farm is and how to be let in.
 *
 * @param target {@code host:port}, or any target that gRPC resolves
 * @param token sent with each call as a bearer token; a secret
 * @param caCertificate PEM file of the authority that the server's certificate is checked against;
 *     null for plain text
 */
public record FarmEndpoint(String target, @Nullable String token, @Nullable Path caCertificate) {

  /** Without the token, so that it cannot reach a log. */
  @Override
  public String toString() {
    return target + (caCertificate == null ? " (plain text)" : " (TLS)");
  }
}
