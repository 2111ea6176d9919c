package build.thresher.cas.mirror;

/** What should be signed is not, or not by a key that is trusted. Says so in a sentence. */
public final class BadSignatureException extends Exception {
  private static final long serialVersionUID = 1L;

  BadSignatureException(String message) {
    super(message);
  }
}
