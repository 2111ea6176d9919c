package build.thresher.cas.api;

import org.jspecify.annotations.Nullable;

/**
 * The store takes no writes now: no room, read-only after a failed sync, closing, or not reachable.
 * Transient.
 */
public sealed class StoreUnavailableException extends StoreException permits StoreFullException {
  private static final long serialVersionUID = 1L;

  public StoreUnavailableException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
