package build.thresher.executor.action;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.util.Collection;
import java.util.Set;

/**
 * Inputs that the store does not hold: all that are known to be missing, so that one retry heals.
 */
final class MissingInputsException extends IOException {
  private static final long serialVersionUID = 1L;

  private final transient Set<Digest> missing;

  MissingInputsException(Collection<Digest> missing) {
    super(
        missing.size()
            + " inputs are missing in the store, for example "
            + missing.iterator().next()
            + "; upload them and execute again");
    this.missing = Set.copyOf(missing);
  }

  Set<Digest> missing() {
    return missing;
  }
}
