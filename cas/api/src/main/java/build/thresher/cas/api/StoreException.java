package build.thresher.cas.api;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Something a store says with intent; any other {@link IOException} is a fault that nobody foresaw.
 */
public abstract sealed class StoreException extends IOException
    permits BlobNotFoundException,
        CorruptBlobException,
        DigestMismatchException,
        StoreUnavailableException {
  private static final long serialVersionUID = 1L;

  StoreException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
