package build.thresher.cas.api;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * One blob on its way into a store: {@link #write} any number of times, then {@link #commit}.
 * Closing without commit leaves nothing behind. Used by one thread at a time.
 */
public interface BlobWriter extends AutoCloseable {

  /**
   * Appends.
   *
   * @throws DigestMismatchException as soon as more arrived than the digest's size
   */
  void write(ByteBuffer bytes) throws IOException;

  /** Bytes appended so far. */
  long position();

  /**
   * Makes the blob visible and, in a durable store, durable; on return it is acknowledged.
   *
   * @throws DigestMismatchException when the bytes are not what the digest says; nothing is stored
   */
  void commit() throws IOException;

  @Override
  void close() throws IOException;
}
