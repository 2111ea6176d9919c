package build.thresher.scheduler.shell;

import io.grpc.Context;

/**
 * Who calls. Whoever checks credentials puts the principal into the call's context; what a client
 * says about itself counts only where nobody did, so that nobody gets two shares of the farm by two
 * names.
 */
public final class Caller {
  /** Set by the server's interceptor, where the credentials name somebody. Never a secret. */
  public static final Context.Key<String> PRINCIPAL = Context.key("build.thresher.principal");

  private Caller() {}

  /** The principal of the call at hand, or else what the client says. */
  public static String nameOr(String claimed) {
    String principal = PRINCIPAL.get();
    return principal == null ? claimed : principal;
  }
}
