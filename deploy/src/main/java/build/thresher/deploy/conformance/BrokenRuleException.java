package build.thresher.deploy.conformance;

/** A server did something else than the API asks for. */
public final class BrokenRuleException extends Exception {
  private static final long serialVersionUID = 1L;

  BrokenRuleException(String message) {
    super(message);
  }

  static void require(boolean holds, String otherwise) throws BrokenRuleException {
    if (!holds) {
      throw new BrokenRuleException(otherwise);
    }
  }
}
