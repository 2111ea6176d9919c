package build.thresher.executor.inputs;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A source could not be had. Another attempt may succeed. */
public final class SourceUnavailableException extends IOException {
  private static final long serialVersionUID = 1L;

  public SourceUnavailableException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
