package build.thresher.client;

import java.io.PrintStream;

/**
 * What the first Ctrl-C does while a request runs: it says how to cancel, and leaves the request
 * alone.
 */
final class Detach {
  private final Thread hook;
  private boolean armed;

  Detach(PrintStream err, String requestId) {
    hook =
        new Thread(
            () -> {
              err.println();
              err.println(
                  "==> Detached; the farm goes on. To cancel: thresher cancel " + requestId);
              err.flush();
              Runtime.getRuntime().halt(130);
            },
            "detach");
  }

  void arm() {
    Runtime.getRuntime().addShutdownHook(hook);
    armed = true;
  }

  void disarm() {
    if (armed) {
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        // The process ends already; the hook has spoken.
      }
    }
  }
}
