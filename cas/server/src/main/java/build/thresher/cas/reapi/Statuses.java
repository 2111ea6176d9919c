package build.thresher.cas.reapi;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.StoreException;
import build.thresher.cas.api.StoreFullException;
import build.thresher.cas.api.StoreUnavailableException;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a failure of the store is called on the wire. */
final class Statuses {
  private static final Logger log = LoggerFactory.getLogger(Statuses.class);

  private Statuses() {}

  static Status of(Throwable failure) {
    if (failure instanceof StoreException known) {
      return switch (known) {
        case BlobNotFoundException e -> Status.NOT_FOUND.withDescription(e.getMessage());
        case CorruptBlobException e -> Status.DATA_LOSS.withDescription(e.getMessage());
        case DigestMismatchException e -> Status.INVALID_ARGUMENT.withDescription(e.getMessage());
        case StoreFullException e -> Status.RESOURCE_EXHAUSTED.withDescription(e.getMessage());
        case StoreUnavailableException e -> Status.UNAVAILABLE.withDescription(e.getMessage());
      };
    }
    if (failure instanceof StatusRuntimeException e) {
      return e.getStatus();
    }
    if (failure instanceof IllegalArgumentException e) {
      return Status.INVALID_ARGUMENT.withDescription(e.getMessage());
    }
    log.error("unforeseen failure in the store's service", failure);
    return Status.INTERNAL.withDescription("unforeseen failure in the store; see the server's log");
  }

  static com.google.rpc.Status toRpc(Status status) {
    com.google.rpc.Status.Builder rpc =
        com.google.rpc.Status.newBuilder().setCode(status.getCode().value());
    if (status.getDescription() != null) {
      rpc.setMessage(status.getDescription());
    }
    return rpc.build();
  }
}
