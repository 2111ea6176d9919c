package build.thresher.cas.s3;

import build.thresher.cas.api.BulkInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.regex.Pattern;

/**
 * The body of a request with {@code Content-Encoding: aws-chunked}: chunks with their length before
 * them, then trailers, which are checksums of algorithms that nobody here needs: a blob is verified
 * by its name.
 */
final class ChunkedBody extends BulkInputStream {
  private static final Pattern SIZE = Pattern.compile("([0-9a-fA-F]{1,8})(?:;.{0,200})?");
  private static final int MAX_LINE = 1024;

  private final InputStream in;
  private long left;
  private boolean first = true;
  private boolean ended;

  ChunkedBody(InputStream in) {
    this.in = in;
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    if (left == 0 && !ended) {
      nextChunk();
    }
    if (ended) {
      return -1;
    }
    int n = in.read(buffer, offset, (int) Math.min(length, left));
    if (n < 0) {
      throw new EOFException("the body ends in the middle of a chunk");
    }
    left -= n;
    return n;
  }

  private void nextChunk() throws IOException {
    if (!first && !line().isEmpty()) {
      throw new IOException("a chunk is longer than it says");
    }
    first = false;
    var m = SIZE.matcher(line());
    if (!m.matches()) {
      throw new IOException("a chunk does not say its length");
    }
    left = Long.parseLong(m.group(1), 16);
    if (left == 0) {
      ended = true;
      while (!line().isEmpty()) {
        // Trailers.
      }
    }
  }

  private String line() throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c < 0) {
        if (ended) {
          return "";
        }
        throw new EOFException("the body ends between two chunks");
      }
      if (line.length() > MAX_LINE) {
        throw new IOException("a line between two chunks is too long");
      }
      if (c != '\r') {
        line.append((char) c);
      }
    }
    return line.toString();
  }
}
