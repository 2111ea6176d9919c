package build.thresher.deploy.conformance;

/**
 * One thing that a server has to do.
 *
 * @param name a sentence about a server that does it
 * @param place where the API says so: a file and the comment in it; or "bad input" for what no
 *     server may die of though no sentence says what it answers
 */
public record Rule(String name, String place, Check check) {

  /** Tries it on a server. */
  @FunctionalInterface
  public interface Check {
    /**
     * @throws BrokenRuleException when the server does something else
     * @throws NotOfferedException when the server says that it does not do such things
     * @throws io.grpc.StatusRuntimeException when a call fails that may not
     */
    void on(Subject server) throws Exception;
  }
}
