package build.thresher.executor.inputs;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;

/** Asks the farm to bring a source into the store. */
@FunctionalInterface
public interface RemoteSources {
  /**
   * Returns the name under which the store holds the source.
   *
   * @throws SourceUnavailableException when it cannot be had from anywhere
   * @throws StoreUnavailableException when the farm does not answer
   */
  Digest fetch(Scope scope, SourceFile source)
      throws SourceUnavailableException, StoreUnavailableException;
}
