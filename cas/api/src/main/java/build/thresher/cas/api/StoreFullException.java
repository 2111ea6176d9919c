package build.thresher.cas.api;

/** The store has no room, and nothing that it may evict. Reading goes on; freed room heals it. */
public final class StoreFullException extends StoreUnavailableException {
  private static final long serialVersionUID = 1L;

  public StoreFullException(String message) {
    super(message, null);
  }
}
