package build.thresher.scheduler.spack;

import build.thresher.cas.api.spack.DagHash;
import com.google.common.collect.ImmutableList;
import java.io.IOException;

/** Dependencies of a build that were published are published no more. */
public final class LostResultException extends IOException {
  private static final long serialVersionUID = 1L;
  private final transient ImmutableList<DagHash> hashes;

  LostResultException(ImmutableList<DagHash> hashes, String named) {
    super("needed, but no longer in the mirror: " + named);
    this.hashes = hashes;
  }

  ImmutableList<DagHash> hashes() {
    return hashes;
  }
}
