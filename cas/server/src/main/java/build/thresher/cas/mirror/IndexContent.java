package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import com.google.common.collect.ImmutableSortedSet;
import java.io.IOException;
import java.util.Optional;

/** Which nodes stand in an index, and which of them can be installed from the mirror. */
interface IndexContent {
  boolean lists(DagHash node);

  boolean offers(DagHash node);

  /** The nodes that it lists, where they are so few that each is looked up sooner than all. */
  default Optional<ImmutableSortedSet<DagHash>> few() {
    return Optional.empty();
  }

  /** Says it for one index, at the time when that is built. */
  @FunctionalInterface
  interface Source {
    IndexContent now() throws IOException;
  }
}
