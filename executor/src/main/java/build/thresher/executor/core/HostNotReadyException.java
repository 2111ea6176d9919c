package build.thresher.executor.core;

import java.io.IOException;

/** This machine cannot run builds; the message says what to do. */
public final class HostNotReadyException extends IOException {
  private static final long serialVersionUID = 1L;

  HostNotReadyException(String message) {
    super(message);
  }
}
