package build.thresher.client;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayDeque;

/** Keeps the last lines of what is written, at most some MiB of them. */
final class LastLines extends OutputStream {
  private static final int MOST_BYTES = 4 << 20;
  private final int lines;
  private final ArrayDeque<byte[]> kept = new ArrayDeque<>();
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private long length;
  private int keptBytes;

  LastLines(int lines) {
    this.lines = lines;
  }

  @Override
  public void write(int b) {
    length++;
    line.write(b);
    if (b == '\n' || line.size() == MOST_BYTES) {
      end();
    }
  }

  private void end() {
    kept.addLast(line.toByteArray());
    keptBytes += line.size();
    line.reset();
    while (kept.size() > lines || keptBytes > MOST_BYTES) {
      keptBytes -= kept.removeFirst().length;
    }
  }

  long length() {
    return length;
  }

  void writeTo(OutputStream out) throws IOException {
    if (line.size() > 0) {
      end(); // a last line without its end
    }
    for (byte[] bytes : kept) {
      out.write(bytes);
    }
    out.flush();
  }
}
