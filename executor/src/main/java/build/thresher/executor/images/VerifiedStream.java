package build.thresher.executor.images;

import build.thresher.cas.api.BulkFilterInputStream;
import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.util.HexFormat;

/**
 * A blob as it is read from where nobody is trusted. What is read is right only when {@link
 * #verify} has returned; never more is read than the blob is long. Used by one thread.
 */
final class VerifiedStream extends BulkFilterInputStream {
  private final Digest expected;
  private final MessageDigest hash = Digest.sha256();
  private long count;

  VerifiedStream(InputStream in, Digest expected) {
    super(in);
    this.expected = expected;
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    int n = in.read(buffer, offset, length);
    if (n > 0) {
      count += n;
      if (count > expected.sizeBytes()) {
        throw wrong();
      }
      hash.update(buffer, offset, n);
    }
    return n;
  }

  @Override
  public long skip(long n) throws IOException {
    return readNBytes((int) Math.min(n, 1 << 16)).length;
  }

  @Override
  public boolean markSupported() {
    return false;
  }

  /** Reads to the end. */
  void verify() throws IOException {
    transferTo(OutputStream.nullOutputStream());
    if (count != expected.sizeBytes()
        || !HexFormat.of().formatHex(hash.digest()).equals(expected.hex())) {
      throw wrong();
    }
  }

  private IOException wrong() {
    return new IOException("a blob of the image does not have the digest " + expected);
  }
}
