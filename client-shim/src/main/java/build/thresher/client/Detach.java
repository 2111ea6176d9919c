package build.thresher.client;

import java.io.PrintStream;

/**
 * What the first Ctrl-C does while a request runs: it says how to cancel, and leaves the request
 * alone.
 */
final class Detach {
  private final Thread hook;

  private Detach(Thread hook) {
    this.hook = hook;
  }

  /** From now on, until disarmed. */
  static Detach arm(PrintStream err, String requestId) {
    Thread hook =
        new Thread(
            () -> {
              err.println();
              err.println(
                  "==> Detached; the farm goes on. To cancel: "
                      + Text.command("cancel " + requestId));
              err.println("==> To wait for it again: " + Text.command("wait " + requestId));
              err.flush();
              Runtime.getRuntime().halt(ClientException.DETACHED);
            },
            "detach");
    Runtime.getRuntime().addShutdownHook(hook);
    return new Detach(hook);
  }

  void disarm() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process ends already; the hook has spoken.
    }
  }
}
