package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import java.io.IOException;
import java.util.Set;

/** What running work will read from a mirror. */
@FunctionalInterface
public interface NeededNow {

  /**
   * @throws IOException when it cannot be known: then nothing may be taken away
   */
  Set<DagHash> in(String instance) throws IOException;
}
