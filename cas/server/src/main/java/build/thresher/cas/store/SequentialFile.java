package build.thresher.cas.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * A file that is written from front to back. Where it has buffers, it is written past the page
 * cache, one buffer while the next is filled; so an error may show at a later write, at {@link
 * #flush} at the latest. Used by one thread at a time.
 */
final class SequentialFile implements AutoCloseable {
  private final Path path;
  private final FileChannel channel;
  private final BlockBuffers.@Nullable Pair buffers;
  private final Beside beside = new Beside();
  private boolean closed;

  /**
   * @param channel stands at its end; past the page cache where there are buffers
   */
  SequentialFile(Path path, FileChannel channel, BlockBuffers.@Nullable Pair buffers) {
    this.path = path;
    this.channel = channel;
    this.buffers = buffers;
  }

  /** What is to be synced after {@link #flush}. */
  FileChannel channel() {
    return channel;
  }

  /** Takes all of the buffer. */
  void write(ByteBuffer bytes) throws IOException {
    if (buffers == null) {
      writeAll(bytes);
      return;
    }
    while (bytes.hasRemaining()) {
      ByteBuffer front = buffers.front();
      int n = Math.min(bytes.remaining(), front.remaining());
      front.put(bytes.slice(bytes.position(), n));
      bytes.position(bytes.position() + n);
      if (!front.hasRemaining()) {
        beside.await();
        buffers.swap().clear();
        beside.start(() -> writeAll(front.flip()));
      }
    }
  }

  private void writeAll(ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** Everything is in the file afterwards, but need not be on disk. Nothing is written after it. */
  void flush() throws IOException {
    if (buffers == null) {
      return;
    }
    beside.await();
    ByteBuffer rest = buffers.front().flip();
    int tail = rest.remaining() % buffers.blockBytes();
    writeAll(rest.slice(0, rest.remaining() - tail));
    if (tail > 0) {
      // Part of a block cannot go past the cache, and a whole one would have to be cut again.
      try (FileChannel end = FileChannel.open(path, StandardOpenOption.WRITE)) {
        ByteBuffer last = rest.slice(rest.limit() - tail, tail);
        long at = channel.position();
        while (last.hasRemaining()) {
          at += end.write(last, at);
        }
      }
    }
  }

  /** What was not flushed is lost. */
  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try (channel) {
      beside.end();
      if (buffers != null) {
        buffers.giveBack();
      }
    }
  }
}
