package build.thresher.cas.sources;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** One address did not give the file. The message may be sent to a client. */
final class FetchException extends IOException {
  private static final long serialVersionUID = 1L;

  enum Reason {
    NOT_THERE,
    FORBIDDEN,
    WRONG_CONTENT,
    TOO_LARGE,
    UNREACHABLE,
    TOO_SLOW,
    MALFORMED
  }

  private final Reason reason;

  FetchException(Reason reason, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.reason = reason;
  }

  FetchException(Reason reason, String message) {
    this(reason, message, null);
  }

  Reason reason() {
    return reason;
  }
}
