package build.thresher.executor.outputs;

import java.io.IOException;

/** What a build left to be collected is not what a push writes. */
public final class OutputException extends IOException {
  private static final long serialVersionUID = 1L;

  OutputException(String message) {
    super(message);
  }
}
