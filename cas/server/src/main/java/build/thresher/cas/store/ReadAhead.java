package build.thresher.cas.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;

/**
 * A file read from front to back past the page cache: one buffer is read while the other is used.
 * Used by one thread at a time.
 */
final class ReadAhead implements FileBytes {
  private final FileChannel file;
  private final BlockBuffers.Pair buffers;
  private final long end;
  private final Beside beside = new Beside();

  /** Where the front buffer begins. */
  private long start;

  private boolean closed;

  /**
   * @param file open past the page cache; closed with this
   * @param from where reading begins, a multiple of {@link BlockChecksums#BLOCK_BYTES}
   * @param end nothing is read ahead of there
   */
  ReadAhead(FileChannel file, BlockBuffers.Pair buffers, long from, long end) {
    this.file = file;
    this.buffers = buffers;
    this.end = end;
    this.start = from - BlockBuffers.BYTES;
    buffers.front().limit(0);
    readNext();
  }

  private void readNext() {
    long from = start + BlockBuffers.BYTES;
    if (from < end) {
      ByteBuffer back = buffers.back();
      beside.start(() -> fill(back, from));
    }
  }

  private void fill(ByteBuffer buffer, long from) throws IOException {
    int block = buffers.blockBytes();
    long wanted = Math.min(BlockBuffers.BYTES, end - from);
    buffer.clear().limit((int) ((wanted + block - 1) / block * block));
    int n = 0;
    // A part of a block is the last one of the file.
    while (n >= 0 && buffer.hasRemaining() && buffer.position() % block == 0) {
      n = file.read(buffer, from + buffer.position());
    }
    buffer.flip();
  }

  @Override
  public int read(ByteBuffer into, long position) throws IOException {
    if (closed) {
      throw new ClosedChannelException();
    }
    if (position == start + BlockBuffers.BYTES && position < end) {
      beside.await();
      start = position;
      buffers.swap();
      readNext();
    }
    ByteBuffer front = buffers.front();
    long offset = position - start;
    if (offset < 0 || offset > BlockBuffers.BYTES) {
      throw new IllegalArgumentException("read at " + position + ", behind or beyond " + start);
    }
    if (offset >= front.limit()) {
      return -1;
    }
    int n = Math.min(into.remaining(), front.limit() - (int) offset);
    into.put(front.slice((int) offset, n));
    return n;
  }

  @Override
  public void close() throws IOException {
    if (!closed) {
      closed = true;
      try (file) {
        beside.end();
        buffers.giveBack();
      }
    }
  }
}
