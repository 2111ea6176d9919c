package build.thresher.executor.action;

import java.io.IOException;

/** The action cannot be run as it is, anywhere. Permanent. The message is for the client. */
final class RefusedActionException extends IOException {
  private static final long serialVersionUID = 1L;

  RefusedActionException(String message) {
    super(message);
  }
}
