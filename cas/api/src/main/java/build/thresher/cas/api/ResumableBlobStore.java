package build.thresher.cas.api;

import java.io.IOException;

/**
 * A store that keeps what arrived of a large upload that broke off, for a while, so that it can go
 * on where it ended, also after a restart. What was kept is verified with the rest; it is no blob
 * before that.
 */
public interface ResumableBlobStore extends BlobStore {

  /**
   * Begins a write, or goes on with one. The {@link BlobWriter#position} is the offset; what an
   * earlier attempt sent beyond it is dropped. Closing without commit keeps what arrived where that
   * is worth it.
   *
   * @param upload the client's name of the upload
   * @param offset 0 to begin anew; at most {@link #received}
   * @throws IllegalArgumentException when less than the offset is there
   * @throws StoreUnavailableException when there is no room, the store takes no writes, or another
   *     writer has that upload open
   */
  BlobWriter resume(Scope scope, Digest digest, String upload, long offset) throws IOException;

  /** Bytes of an unfinished upload that are kept, 0 for none. */
  long received(String upload) throws IOException;
}
