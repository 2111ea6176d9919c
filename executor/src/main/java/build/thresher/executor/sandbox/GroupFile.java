package build.thresher.executor.sandbox;

import java.io.Closeable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A file of a control group that serves many builds, opened once: to open it takes several times as
 * long as to read it. Not for lists of processes, which the kernel of version 1 keeps for a second
 * for whoever has them open. Used by one thread at a time.
 */
final class GroupFile implements Closeable {
  private final RandomAccessFile file;
  private final byte[] content = new byte[512];

  private GroupFile(RandomAccessFile file) {
    this.file = file;
  }

  static GroupFile toRead(Path path) throws IOException {
    return new GroupFile(new RandomAccessFile(path.toFile(), "r"));
  }

  static GroupFile toReadAndWrite(Path path) throws IOException {
    return new GroupFile(new RandomAccessFile(path.toFile(), "rw"));
  }

  private String read() throws IOException {
    file.seek(0);
    int length = Math.max(0, file.read(content));
    return new String(content, 0, length, StandardCharsets.US_ASCII);
  }

  /** All that there is. */
  long number() throws IOException {
    return Long.parseLong(read().strip());
  }

  /** Of a line "name number"; 0 where there is none. */
  long field(String name) throws IOException {
    return ControlGroups.field(read().lines(), name);
  }

  void write(long value) throws IOException {
    file.seek(0);
    file.write(Long.toString(value).getBytes(StandardCharsets.US_ASCII));
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
