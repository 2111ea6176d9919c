package build.thresher.scheduler.shell;

import org.jspecify.annotations.Nullable;

/** Nothing was accepted: the scheduler is stopping, or its store takes no writes. Try again. */
public final class UnavailableException extends Exception {
  private static final long serialVersionUID = 1L;

  UnavailableException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
