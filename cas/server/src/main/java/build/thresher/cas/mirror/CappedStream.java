package build.thresher.cas.mirror;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/** Ends with an exception, rather than an end of file, when more bytes come than allowed. */
final class CappedStream extends FilterInputStream {
  private long left;

  CappedStream(InputStream in, long limitBytes) {
    super(in);
    this.left = limitBytes;
  }

  @Override
  public int read() throws IOException {
    int b = super.read();
    if (b >= 0) {
      count(1);
    }
    return b;
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    int n = super.read(buffer, offset, length);
    if (n > 0) {
      count(n);
    }
    return n;
  }

  @Override
  public long skip(long n) throws IOException {
    long skipped = super.skip(n);
    count(skipped);
    return skipped;
  }

  @Override
  public boolean markSupported() {
    return false;
  }

  private void count(long n) throws TooLongException {
    left -= n;
    if (left < 0) {
      throw new TooLongException();
    }
  }

  static final class TooLongException extends IOException {
    private static final long serialVersionUID = 1L;
  }
}
