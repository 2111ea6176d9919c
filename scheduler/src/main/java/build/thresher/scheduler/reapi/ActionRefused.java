package build.thresher.scheduler.reapi;

import build.thresher.cas.api.Digest;
import com.google.common.collect.ImmutableSet;

/** An action that is not run as it was sent, in words that may be sent back. */
final class ActionRefused extends Exception {
  private static final long serialVersionUID = 1L;

  private final transient ImmutableSet<Digest> missing;

  private ActionRefused(String message, ImmutableSet<Digest> missing) {
    super(message);
    this.missing = missing;
  }

  /** It breaks a rule of the API, or a limit. */
  static ActionRefused because(String message) {
    return new ActionRefused(message, ImmutableSet.of());
  }

  /** The client has to upload these first. */
  static ActionRefused missing(ImmutableSet<Digest> blobs) {
    return new ActionRefused(
        blobs.size() + " inputs are not in the store, " + blobs.iterator().next() + " among them",
        blobs);
  }

  ImmutableSet<Digest> missing() {
    return missing == null ? ImmutableSet.of() : missing;
  }
}
