package build.thresher.cas.client;

import build.thresher.cas.api.BulkFilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * Stands below a reader of tar that keeps names in memory, however long they say that they are:
 * between two entries no more than a limit is read. Used by one thread.
 */
public final class HeaderLimit extends BulkFilterInputStream {
  /** Padding, and the names that did not fit into a header. */
  private static final long MAX_BYTES = 1 << 20;

  private long left = Long.MAX_VALUE;

  public HeaderLimit(InputStream in) {
    super(in);
  }

  /** Reads as far as the next entry. */
  @FunctionalInterface
  public interface Header<T> {
    T read() throws IOException;
  }

  /** All content of the entry before has been read. */
  public <T> T next(Header<T> header) throws IOException {
    left = MAX_BYTES;
    T entry = header.read();
    left = Long.MAX_VALUE;
    return entry;
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    int n = in.read(buffer, offset, length);
    count(n);
    return n;
  }

  @Override
  public long skip(long n) throws IOException {
    long skipped = in.skip(n);
    count(skipped);
    return skipped;
  }

  @Override
  public boolean markSupported() {
    return false;
  }

  private void count(long n) throws IOException {
    left -= Math.max(0, n);
    if (left < 0) {
      throw new IOException("a header of the archive has more than " + MAX_BYTES + " bytes");
    }
  }
}
