package build.thresher.cas.api;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * Another stream, seen through something that is made to be read in bulk: a byte is a bulk of one.
 */
public abstract class BulkFilterInputStream extends FilterInputStream {
  protected BulkFilterInputStream(InputStream in) {
    super(in);
  }

  @Override
  public final int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public abstract int read(byte[] buffer, int offset, int length) throws IOException;
}
