package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import java.io.IOException;
import java.util.SortedSet;

/** Which nodes stand in an index, and which of them can be installed from the mirror. */
interface IndexContent {
  /** May grow while it is read. */
  SortedSet<DagHash> listed();

  boolean offers(DagHash node);

  /** Says it for one index, at the time when that is built. */
  @FunctionalInterface
  interface Source {
    IndexContent now() throws IOException;
  }
}
