package build.thresher.cas.api.spack;

/**
 * A document is not what Spack writes. The message says where and what, in words that may be sent
 * to a client.
 */
public final class SpecFormatException extends Exception {
  private static final long serialVersionUID = 1L;

  public SpecFormatException(String message) {
    super(message);
  }
}
