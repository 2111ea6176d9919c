package build.thresher.executor.inputs;

import java.io.IOException;

/** An archive holds what no archive of a prefix may hold. Permanent. */
public final class ArchiveException extends IOException {
  private static final long serialVersionUID = 1L;

  ArchiveException(String message) {
    super(message);
  }
}
