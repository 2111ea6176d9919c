package build.thresher.executor.outputs;

import java.io.Closeable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The log of one build, in a file: written while the build runs, read by others at any offset
 * meanwhile. What exceeds the limit is dropped and said so, once. There is no file before somebody
 * writes or asks for it: most actions say nothing. Thread-safe.
 */
public final class BuildLog implements Closeable {
  private final Path path;
  private final long limitBytes;
  private @Nullable RandomAccessFile file;
  private boolean closed;
  private long length;
  private boolean full;
  private Runnable whenWritten = () -> {};

  public BuildLog(Path path, long limitBytes) {
    this.path = path;
    this.limitBytes = limitBytes;
  }

  /** The file, which is there. */
  public synchronized Path path() throws IOException {
    if (!closed) {
      file();
    }
    return path;
  }

  private RandomAccessFile file() throws IOException {
    if (closed) {
      throw new IOException("the log " + path + " is closed");
    }
    if (file == null) {
      file = new RandomAccessFile(path.toFile(), "rw");
    }
    return file;
  }

  /** Has something done, once, when there is something to read; at once when there is already. */
  public synchronized void whenWritten(Runnable action) {
    if (length > 0) {
      action.run();
    } else {
      whenWritten = action;
    }
  }

  /** Appends output of the build. */
  public synchronized void append(byte[] bytes, int count) throws IOException {
    if (full) {
      return;
    }
    int room = (int) Math.min(count, limitBytes - length);
    write(bytes, room);
    if (room < count) {
      full = true;
      byte[] marker =
          ("\n==> Warning: the log is longer than " + limitBytes + " bytes; the rest is dropped\n")
              .getBytes(StandardCharsets.UTF_8);
      write(marker, marker.length);
    }
  }

  /** Appends a line of the executor's own, whatever the limit. */
  public synchronized void line(String text) throws IOException {
    byte[] bytes = (text + "\n").getBytes(StandardCharsets.UTF_8);
    write(bytes, bytes.length);
  }

  private void write(byte[] bytes, int count) throws IOException {
    file().seek(length);
    file().write(bytes, 0, count);
    length += count;
    Runnable action = whenWritten;
    whenWritten = () -> {};
    action.run();
  }

  /** Bytes written so far. */
  public synchronized long length() {
    return length;
  }

  /** At most {@code count} bytes from an offset; fewer, or none, at the end. */
  public synchronized byte[] read(long offset, int count) throws IOException {
    int available = (int) Math.max(0, Math.min(count, length - offset));
    byte[] bytes = new byte[available];
    if (available > 0) {
      file().seek(offset);
      file().readFully(bytes);
    }
    return bytes;
  }

  @Override
  public synchronized void close() throws IOException {
    closed = true;
    if (file != null) {
      file.close();
    }
  }
}
