package build.thresher.cas.api;

import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;

/**
 * A content-addressed store of immutable blobs.
 *
 * <p>Guarantees, for every implementation: what a write acknowledged can be read by everybody from
 * then on, and, for a durable store, after any crash; nothing is readable before it was verified
 * against its digest; what is read are the bytes that the digest names, or an exception; {@link
 * Digest#EMPTY} is always present.
 *
 * <p>It is no cache policy, no access control and no batching front: such things are decorators.
 *
 * <p>Threading: all methods may be called from any thread and block. Call them on virtual threads.
 */
public interface BlobStore extends AutoCloseable {

  /**
   * The digests of {@code wanted} that the store does not hold. Counts as a use of those that it
   * does.
   */
  Set<Digest> findMissing(Scope scope, Collection<Digest> wanted) throws IOException;

  /**
   * Reads a range. The stream ends after {@code length} bytes or at the end of the blob, whichever
   * comes first; an offset at the end gives an empty stream.
   *
   * @param length bytes wanted; {@link Long#MAX_VALUE} for all that follow
   * @throws BlobNotFoundException when the store does not hold the blob
   * @throws IllegalArgumentException when the offset is negative or beyond the end, or the length
   *     negative
   * @throws CorruptBlobException here or from the stream, when the stored bytes are not those that
   *     were written
   */
  InputStream read(Scope scope, Digest digest, long offset, long length) throws IOException;

  /**
   * Begins a streamed write and reserves room for it.
   *
   * @throws StoreUnavailableException when there is no room or the store takes no writes
   */
  BlobWriter write(Scope scope, Digest digest) throws IOException;

  /**
   * Writes small blobs together: one wait for the disk instead of many. All are verified before any
   * is stored.
   *
   * @throws DigestMismatchException when the bytes of one are not what its digest says; nothing was
   *     stored
   */
  void putAll(Scope scope, List<Blob> blobs) throws IOException;

  /**
   * Keeps these blobs from being evicted until the given time, however little they are used.
   * Extends, never shortens.
   */
  void lease(Scope scope, Collection<Digest> digests, Instant until) throws IOException;

  /** Keeps a blob until as many {@link #unpin} calls as pins. */
  void pin(Scope scope, Collection<Digest> digests) throws IOException;

  /** Takes one pin away. */
  void unpin(Scope scope, Collection<Digest> digests) throws IOException;

  /**
   * Removes a blob, for garbage collection only. Refuses, by returning false, what is leased,
   * pinned or absent; readers that have it open finish.
   */
  boolean delete(Scope scope, Digest digest) throws IOException;

  /** Counts, from memory. */
  Statistics statistics();

  @Override
  void close() throws IOException;

  /** True when the store holds the blob. */
  default boolean contains(Scope scope, Digest digest) throws IOException {
    return findMissing(scope, List.of(digest)).isEmpty();
  }

  /**
   * Reads a whole blob that is known to be small; the caller checks {@link Digest#sizeBytes}
   * against its own limit.
   */
  default byte[] readAll(Scope scope, Digest digest) throws IOException {
    try (InputStream in = read(scope, digest, 0, Long.MAX_VALUE)) {
      return in.readAllBytes();
    }
  }

  /**
   * Reads small blobs together, in the order asked: one round trip instead of many where the store
   * is far. The caller limits the sum of their sizes.
   *
   * @throws BlobNotFoundException when the store does not hold one of them
   */
  default List<Blob> readAll(Scope scope, List<Digest> digests) throws IOException {
    List<Blob> blobs = new ArrayList<>(digests.size());
    for (Digest digest : digests) {
      blobs.add(new Blob(digest, readAll(scope, digest)));
    }
    return blobs;
  }

  /** Writes one small blob and returns its name. */
  default Digest put(Scope scope, byte[] bytes) throws IOException {
    Blob blob = Blob.of(bytes);
    putAll(scope, List.of(blob));
    return blob.digest();
  }

  /**
   * What a store holds.
   *
   * @param blobs number of distinct blobs
   * @param bytes sum of their sizes
   */
  record Statistics(long blobs, long bytes) {}
}
