package build.thresher.cas.api;

import java.io.IOException;

/**
 * A store that takes bytes before anybody knows their digest: what is made while it is written is
 * hashed once and passes through no second place.
 */
public interface NamingBlobStore extends BlobStore {

  /**
   * Begins a streamed write and reserves room for it.
   *
   * @param atMostBytes the write is refused beyond
   * @throws StoreUnavailableException when there is no room or the store takes no writes
   */
  NamingBlobWriter writeUnnamed(Scope scope, long atMostBytes) throws IOException;
}
