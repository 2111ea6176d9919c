package build.thresher.cas.store;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import java.io.IOException;
import java.nio.ByteBuffer;

/** Gathers a small blob in memory and hands it over whole. */
final class SmallBlobWriter implements BlobWriter {
  private final Digest digest;
  private final Target target;
  private final byte[] bytes;
  private int filled;

  /** Verifies and stores. */
  interface Target {
    void put(Blob blob) throws IOException;
  }

  SmallBlobWriter(Digest digest, Target target) {
    this.digest = digest;
    this.target = target;
    this.bytes = new byte[(int) digest.sizeBytes()];
  }

  @Override
  public void write(ByteBuffer source) throws IOException {
    int n = source.remaining();
    if (n > bytes.length - filled) {
      throw new DigestMismatchException(digest, "longer than that");
    }
    source.get(bytes, filled, n);
    filled += n;
  }

  @Override
  public long position() {
    return filled;
  }

  @Override
  public void commit() throws IOException {
    if (filled < bytes.length) {
      throw new DigestMismatchException(digest, "only " + filled + " bytes long");
    }
    target.put(new Blob(digest, bytes));
  }

  @Override
  public void close() {}
}
