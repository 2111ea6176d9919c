package build.thresher.cas.reapi;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Decodes zstd as it arrives: any number of frames, cut anyhow. One block of output exists at a
 * time, and a window of more than 8 MiB is refused, so that what a client sends cannot cost more
 * memory than that; whoever takes the output stops a bomb when it exceeds the size that was named.
 * Used by one thread at a time.
 */
final class ZstdDecoder implements AutoCloseable {
  private static final int MAX_WINDOW_LOG = 23;
  private static final int BLOCK_BYTES = 128 << 10;

  private final ZstdDecompressCtx context = new ZstdDecompressCtx().setLongMax(MAX_WINDOW_LOG);
  private final ByteBuffer in = ByteBuffer.allocateDirect(BLOCK_BYTES);
  private final ByteBuffer out = ByteBuffer.allocateDirect(BLOCK_BYTES);

  /** What hashes the output reads arrays faster than memory outside the heap. */
  private final ByteBuffer decoded = ByteBuffer.allocate(BLOCK_BYTES);

  private boolean insideFrame;

  /** Takes what was decoded. */
  interface Sink {
    void accept(ByteBuffer bytes) throws IOException;
  }

  /**
   * @throws IllegalArgumentException when it is no zstd, or needs too large a window
   */
  void decode(ByteBuffer compressed, Sink sink) throws IOException {
    while (compressed.hasRemaining()) {
      int n = Math.min(in.capacity(), compressed.remaining());
      in.clear().put(compressed.slice(compressed.position(), n)).flip();
      compressed.position(compressed.position() + n);
      boolean outputWaits = false;
      while (in.hasRemaining() || outputWaits) {
        insideFrame = !decodeBlock();
        outputWaits = insideFrame && !out.hasRemaining();
        if (out.flip().hasRemaining()) {
          sink.accept(decoded.clear().put(out).flip());
        }
      }
    }
  }

  /** True at the end of a frame. */
  private boolean decodeBlock() {
    try {
      return context.decompressDirectByteBufferStream(out.clear(), in);
    } catch (ZstdException e) {
      throw new IllegalArgumentException(
          "the data cannot be decoded as zstd: " + e.getMessage(), e);
    }
  }

  /**
   * @throws IllegalArgumentException when it ended in the middle of a frame
   */
  void finish() {
    if (insideFrame) {
      throw new IllegalArgumentException("the zstd data ends in the middle of a frame");
    }
  }

  @Override
  public void close() {
    context.close();
  }
}
