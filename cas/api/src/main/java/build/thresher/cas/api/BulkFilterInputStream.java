package build.thresher.cas.api;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/** A {@link BulkInputStream} that another stream is seen through. */
public abstract class BulkFilterInputStream extends FilterInputStream {
  protected BulkFilterInputStream(InputStream in) {
    super(in);
  }

  @Override
  public final int read() throws IOException {
    return BulkInputStream.readOne(this);
  }

  @Override
  public abstract int read(byte[] buffer, int offset, int length) throws IOException;
}
