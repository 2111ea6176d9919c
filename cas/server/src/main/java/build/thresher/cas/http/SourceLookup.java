package build.thresher.cas.http;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.util.Optional;

/** Which blobs are sources of packages, and may be read as such. */
@FunctionalInterface
public interface SourceLookup {
  /** There are none. */
  SourceLookup NONE = sha256 -> Optional.empty();

  /**
   * @param sha256 digest of size 0
   * @return the same with its size; empty when no such source was ever fetched
   */
  Optional<Digest> find(Digest sha256) throws IOException;
}
