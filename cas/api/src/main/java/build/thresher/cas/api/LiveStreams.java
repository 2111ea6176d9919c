package build.thresher.cas.api;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/**
 * Streams of bytes that are read while they are written, such as what a running action prints. A
 * stream only grows: what was read once at an offset stays there.
 *
 * <p>Threading: any thread; {@link #read} blocks.
 */
public interface LiveStreams {

  /** No streams at all. */
  LiveStreams NONE =
      new LiveStreams() {
        @Override
        public boolean isName(String resource) {
          return false;
        }

        @Override
        public Optional<Chunk> read(String resource, long offset, int maxBytes, Duration patience) {
          return Optional.empty();
        }
      };

  /** True when the text has the form of a stream's name, whether there is such a stream or not. */
  boolean isName(String resource);

  /**
   * Some bytes from the offset on; waits for the first of them while the stream may still grow.
   *
   * @param patience how long to wait at most; then an empty chunk that is not the last
   * @return empty when there is no such stream, or no longer
   * @throws IllegalArgumentException when the stream has ended before the offset
   */
  Optional<Chunk> read(String resource, long offset, int maxBytes, Duration patience)
      throws IOException, InterruptedException;

  /**
   * What was read.
   *
   * @param last nothing follows
   */
  @SuppressWarnings("ArrayRecordComponent") // handed over, not kept
  record Chunk(byte[] bytes, boolean last) {}
}
