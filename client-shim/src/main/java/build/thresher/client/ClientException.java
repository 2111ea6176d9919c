package build.thresher.client;

/** Ends a command with one sentence for a person and an exit code for a script. */
final class ClientException extends Exception {
  private static final long serialVersionUID = 1L;

  /** A root could not be built. */
  static final int FAILED = 1;

  /** The command was given something that is not there or cannot be. */
  static final int USAGE = 2;

  /** The farm refused what it was asked, or what was given is malformed. */
  static final int REFUSED = 3;

  /** The farm cannot be reached. */
  static final int UNREACHABLE = 4;

  /** Interrupted by the user; the request goes on. */
  static final int DETACHED = 130;

  private final int exitCode;

  ClientException(int exitCode, String message) {
    super(message);
    this.exitCode = exitCode;
  }

  int exitCode() {
    return exitCode;
  }
}
