package build.thresher.cas.client;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.StoreUnavailableException;
import io.grpc.Status;
import java.io.IOException;
import java.io.InterruptedIOException;

/** What a gRPC status means for the caller of a store. */
final class StoreErrors {
  private StoreErrors() {}

  /** The failure of a call about one blob. */
  static IOException of(Digest digest, Status status) {
    return switch (status.getCode()) {
      case NOT_FOUND -> new BlobNotFoundException(digest);
      case DATA_LOSS -> new CorruptBlobException(digest, describe(status));
      default -> of("blob " + digest, status);
    };
  }

  /** The failure of a call about many. */
  static IOException of(String what, Status status) {
    String message = what + ": the store answered " + describe(status);
    return switch (status.getCode()) {
      case UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED ->
          new StoreUnavailableException(message, status.getCause());
      default -> new IOException(message, status.getCause());
    };
  }

  static IOException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    InterruptedIOException io =
        new InterruptedIOException("interrupted while waiting for the store");
    io.initCause(e);
    return io;
  }

  private static String describe(Status status) {
    return status.getDescription() == null
        ? status.getCode().toString()
        : status.getCode() + ", " + status.getDescription();
  }
}
