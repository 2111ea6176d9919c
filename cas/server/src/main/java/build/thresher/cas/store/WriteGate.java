package build.thresher.cas.store;

import build.thresher.cas.api.StoreUnavailableException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether the store still acknowledges. After a failed sync nobody knows what the disk holds, and a
 * second sync may report success for pages that were dropped; so the gate shuts for good and the
 * store serves reads only until it is opened again.
 */
final class WriteGate {
  private static final Logger log = LoggerFactory.getLogger(WriteGate.class);

  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

  void check() throws StoreUnavailableException {
    Throwable cause = failure.get();
    if (cause != null) {
      throw new StoreUnavailableException(
          "the store is read-only since a sync failed ("
              + cause.getMessage()
              + "); check the disk, then restart the server",
          cause);
    }
  }

  boolean isShut() {
    return failure.get() != null;
  }

  /** Shuts the gate and gives what to tell the writer. */
  StoreUnavailableException shut(Throwable cause) {
    if (failure.compareAndSet(null, cause)) {
      log.error("store read-only: a sync failed; check the disk, then restart the server", cause);
    }
    return new StoreUnavailableException(
        "the write is not on disk: " + cause.getMessage() + "; the store is read-only now", cause);
  }
}
