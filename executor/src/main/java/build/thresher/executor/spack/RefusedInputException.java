package build.thresher.executor.spack;

import java.io.IOException;

/** What a client sent cannot be used. Permanent. The message is a sentence for the client. */
final class RefusedInputException extends IOException {
  private static final long serialVersionUID = 1L;

  RefusedInputException(String message) {
    super(message);
  }
}
