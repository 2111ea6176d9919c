package build.thresher.cas.http;

import java.util.Optional;

/**
 * Who makes a request, as far as the request itself says it.
 *
 * @param token what it brought to prove that it may, unchecked
 * @param address numeric address of the other end of the connection
 */
public record Requester(Optional<String> token, String address) {
  /** Never the token. */
  @Override
  public String toString() {
    return address;
  }
}
