package build.thresher.deploy.powercut;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What {@code recorder.c} wrote, in order.
 *
 * @param root the recorded directory
 */
record Recording(String root, List<Step> steps) {
  private static final int HEADER_NUMBERS = 7;

  /** Numbers as in {@code recorder.c}. */
  enum Kind {
    NONE,
    CREATE,
    WRITE,
    TRUNCATE,
    RENAME,
    UNLINK,
    MKDIR,
    RMDIR,
    LINK,
    SYNC_BEGIN,
    SYNC_END,
    UNSUPPORTED
  }

  /**
   * One of them.
   *
   * @param nanos of the machine's monotonic clock, which is that of {@link System#nanoTime}
   * @param file number of the file; it may be used anew after the file is gone
   * @param offset of a write; new length for a truncation; descriptor for a sync
   */
  record Step(
      Kind kind, long nanos, long file, long offset, ByteBuffer data, String path, String second) {}

  static Recording read(Path log) throws IOException {
    List<Step> steps = new ArrayList<>();
    try (InputStream in = new java.io.BufferedInputStream(Files.newInputStream(log))) {
      while (true) {
        byte[] header = in.readNBytes(HEADER_NUMBERS * Long.BYTES);
        if (header.length < HEADER_NUMBERS * Long.BYTES) {
          break; // the end, or a step during which the process was killed
        }
        ByteBuffer numbers = ByteBuffer.wrap(header).order(ByteOrder.nativeOrder());
        Kind kind = Kind.values()[(int) numbers.getLong()];
        long nanos = numbers.getLong();
        long file = numbers.getLong();
        long offset = numbers.getLong();
        int data = (int) numbers.getLong();
        int path = (int) numbers.getLong();
        int second = (int) numbers.getLong();
        try {
          steps.add(
              new Step(
                  kind,
                  nanos,
                  file,
                  offset,
                  ByteBuffer.wrap(exactly(in, data)),
                  text(exactly(in, path)),
                  text(exactly(in, second))));
        } catch (EOFException e) {
          break;
        }
      }
    }
    for (Step step : steps) {
      if (step.kind() == Kind.UNSUPPORTED) {
        throw new AssertionError(
            "the server did what the recorder cannot follow: " + step.path() + step.second());
      }
    }
    return new Recording(steps.getFirst().path(), List.copyOf(steps));
  }

  private static byte[] exactly(InputStream in, int count) throws IOException {
    byte[] bytes = in.readNBytes(count);
    if (bytes.length < count) {
      throw new EOFException();
    }
    return bytes;
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** Places at which a sync has just ended. */
  List<Integer> syncs() {
    List<Integer> found = new ArrayList<>();
    for (int i = 0; i < steps.size(); i++) {
      if (steps.get(i).kind() == Kind.SYNC_END) {
        found.add(i);
      }
    }
    return found;
  }
}
