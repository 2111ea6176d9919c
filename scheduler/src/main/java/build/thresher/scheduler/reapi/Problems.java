package build.thresher.scheduler.reapi;

import build.thresher.cas.api.Digest;
import com.google.protobuf.Any;
import com.google.rpc.Code;
import com.google.rpc.PreconditionFailure;
import com.google.rpc.Status;
import java.util.Collection;

/** Failures in the form in which clients of the API act on them. */
final class Problems {
  private Problems() {}

  static Status of(Code code, String message) {
    return Status.newBuilder().setCode(code.getNumber()).setMessage(message).build();
  }

  /**
   * Inputs that are not in the store: one violation of type MISSING for each, with the subject
   * {@code blobs/HASH/SIZE}, as the comment on {@code Execution.Execute} in the API asks; clients
   * upload those and call again.
   */
  static Status missing(String message, Collection<Digest> blobs) {
    PreconditionFailure.Builder failure = PreconditionFailure.newBuilder();
    for (Digest blob : blobs) {
      failure
          .addViolationsBuilder()
          .setType("MISSING")
          .setSubject("blobs/" + blob.hex() + "/" + blob.sizeBytes());
    }
    return of(Code.FAILED_PRECONDITION, message).toBuilder()
        .addDetails(Any.pack(failure.build()))
        .build();
  }

  static Status of(ActionRefused refused) {
    String message = String.valueOf(refused.getMessage());
    return refused.missing().isEmpty()
        ? of(Code.INVALID_ARGUMENT, message)
        : missing(message, refused.missing());
  }
}
