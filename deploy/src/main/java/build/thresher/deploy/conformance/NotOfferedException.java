package build.thresher.deploy.conformance;

/** A server does not claim to do what a rule is about. */
public final class NotOfferedException extends Exception {
  private static final long serialVersionUID = 1L;

  NotOfferedException(String message) {
    super(message);
  }
}
