package build.thresher.cas.client;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A tree in the store is not what the Remote Execution API allows, or too large. Permanent. */
public final class TreeFormatException extends IOException {
  private static final long serialVersionUID = 1L;

  TreeFormatException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
