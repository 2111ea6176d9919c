package build.thresher.cas.http;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.io.InputStream;

/** Which blobs are sources of packages, and may be read as such. */
@FunctionalInterface
public interface SourceLookup {
  /** There are none. */
  SourceLookup NONE = (instance, path) -> new Missing();

  /** What a source mirror has at a path. */
  sealed interface Answer {}

  /** The blob, which the store had a moment ago. */
  record Stored(Digest digest) implements Answer {}

  /**
   * It is being fetched, and comes as it arrives. Whoever has read it to its end has what the path
   * says; where that is not what came, reading fails before the end.
   *
   * @param stream to be closed by who asked
   */
  record Arriving(InputStream stream) implements Answer {}

  /** It is not here and could not be fetched. */
  record Missing() implements Answer {}

  /** Nobody knows yet; ask again. */
  record Later() implements Answer {}

  /** What is at a path of an instance's source mirror. May wait some seconds for it. */
  Answer find(String instance, String path) throws IOException;
}
