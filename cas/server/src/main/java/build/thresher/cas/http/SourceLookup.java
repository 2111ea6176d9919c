package build.thresher.cas.http;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.util.Optional;

/** Which blobs are sources of packages, and may be read as such. */
@FunctionalInterface
public interface SourceLookup {
  /** There are none. */
  SourceLookup NONE = (instance, path) -> Optional.empty();

  /**
   * The blob at a path of an instance's source mirror.
   *
   * @return empty when there is none, or the store no longer has it
   */
  Optional<Digest> find(String instance, String path) throws IOException;
}
