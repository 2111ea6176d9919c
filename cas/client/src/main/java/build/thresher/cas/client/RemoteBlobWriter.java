package build.thresher.cas.client;

import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;

/**
 * Cuts what is written into chunks for a {@link ByteStreamSink}. Hashes on this side too, because a
 * server that has the blob already reads none of it.
 */
final class RemoteBlobWriter implements BlobWriter {
  static final int CHUNK_BYTES = 256 << 10;

  private final Digest digest;
  private final ByteStreamSink sink;
  private final MessageDigest sha256 = Digest.sha256();
  private byte[] chunk;
  private int filled;
  private long position;

  RemoteBlobWriter(Digest digest, ByteStreamSink sink) {
    this.digest = digest;
    this.sink = sink;
    this.chunk = newChunk(digest.sizeBytes());
  }

  @Override
  public void write(ByteBuffer bytes) throws IOException {
    if (bytes.remaining() > digest.sizeBytes() - position) {
      throw new DigestMismatchException(digest, "longer than that");
    }
    sha256.update(bytes.duplicate());
    position += bytes.remaining();
    while (bytes.hasRemaining()) {
      int n = Math.min(bytes.remaining(), chunk.length - filled);
      bytes.get(chunk, filled, n);
      filled += n;
      // The last chunk waits for commit, which knows whether it may be sent.
      if (filled == chunk.length && (bytes.hasRemaining() || position < digest.sizeBytes())) {
        sink.send(chunk, false);
        chunk = newChunk(digest.sizeBytes() - position + bytes.remaining());
        filled = 0;
      }
    }
  }

  private static byte[] newChunk(long wanted) {
    return new byte[(int) Math.min(CHUNK_BYTES, wanted)];
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public void commit() throws IOException {
    Digest actual = Digest.fromHash(sha256.digest(), position);
    if (!actual.equals(digest)) {
      throw new DigestMismatchException(digest, actual.toString());
    }
    sink.send(chunk, true);
    sink.finish();
  }

  @Override
  public void close() {
    sink.close();
  }
}
