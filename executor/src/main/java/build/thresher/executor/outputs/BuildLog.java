package build.thresher.executor.outputs;

import java.io.Closeable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The log of one build, in a file: written while the build runs, read by others at any offset
 * meanwhile. What exceeds the limit is dropped and said so, once. Thread-safe.
 */
public final class BuildLog implements Closeable {
  private final Path path;
  private final long limitBytes;
  private final RandomAccessFile file;
  private long length;
  private boolean full;

  public BuildLog(Path path, long limitBytes) throws IOException {
    this.path = path;
    this.limitBytes = limitBytes;
    this.file = new RandomAccessFile(path.toFile(), "rw");
  }

  public Path path() {
    return path;
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
    file.seek(length);
    file.write(bytes, 0, count);
    length += count;
  }

  /** Bytes written so far. */
  public synchronized long length() {
    return length;
  }

  /** At most {@code count} bytes from an offset; fewer, or none, at the end. */
  public synchronized byte[] read(long offset, int count) throws IOException {
    int available = (int) Math.max(0, Math.min(count, length - offset));
    byte[] bytes = new byte[available];
    file.seek(offset);
    file.readFully(bytes);
    return bytes;
  }

  @Override
  public synchronized void close() throws IOException {
    file.close();
  }
}
