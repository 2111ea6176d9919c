package build.thresher.cas.reapi;

import build.thresher.cas.store.CompressedForms;
import com.github.luben.zstd.EndDirective;
import com.github.luben.zstd.ZstdCompressCtx;
import com.google.bytestream.ReadResponse;
import com.google.protobuf.ByteString;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** A blob compressed on its way out, one frame, two blocks of memory, recorded for the next. */
final class ZstdChunks implements StreamPump.Source<ReadResponse> {
  /** The fastest of the ordinary levels: the wire is rarely slower than a higher one. */
  static final int LEVEL = 1;

  private static final int BLOCK_BYTES = 128 << 10;

  private final InputStream blob;
  private final CompressedForms.Recorder recorder;
  private final ZstdCompressCtx context = new ZstdCompressCtx().setLevel(LEVEL);
  private final ByteBuffer in = ByteBuffer.allocateDirect(BLOCK_BYTES).limit(0);
  private final ByteBuffer out = ByteBuffer.allocateDirect(BLOCK_BYTES);
  private final byte[] block = new byte[BLOCK_BYTES];
  private boolean allRead;
  private boolean allSent;

  /**
   * @param recorder closed with this
   */
  ZstdChunks(InputStream blob, CompressedForms.Recorder recorder) {
    this.blob = blob;
    this.recorder = recorder;
  }

  @Override
  public @Nullable ReadResponse next() throws IOException {
    out.clear();
    while (!allSent && out.hasRemaining()) {
      if (!in.hasRemaining() && !allRead) {
        int n = blob.readNBytes(block, 0, block.length);
        allRead = n < block.length;
        in.clear().put(block, 0, n).flip();
      }
      boolean flushed =
          context.compressDirectByteBufferStream(
              out, in, allRead ? EndDirective.END : EndDirective.CONTINUE);
      allSent = allRead && flushed;
    }
    recorder.write(out.flip());
    if (allSent) {
      recorder.keep();
    }
    return out.hasRemaining()
        ? ReadResponse.newBuilder().setData(ByteString.copyFrom(out)).build()
        : null;
  }

  @Override
  public void close() throws IOException {
    try (blob;
        recorder) {
      context.close();
    }
  }
}
