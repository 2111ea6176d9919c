package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.mirror.MirrorDb.IndexNode;
import com.github.luben.zstd.ZstdInputStream;
import com.github.luben.zstd.ZstdOutputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.DigestOutputStream;
import java.security.MessageDigest;

/**
 * The text of one index while it is made. A store wants to know the digest of a blob before its
 * first byte, and the index of a hundred thousand specs has more than 100 MB: so the text is kept
 * compressed, to a twentieth or so, until its digest is known. One thread.
 */
final class IndexText implements AutoCloseable {
  private static final int FAST = 1;
  private static final int BUFFER_BYTES = 256 << 10;

  private final ByteArrayOutputStream compressed = new ByteArrayOutputStream();
  private final MessageDigest sha256 = Digest.sha256();
  private final OutputStream out;
  private long sizeBytes;
  private boolean empty = true;

  IndexText(IndexVersion version) throws IOException {
    out = new DigestOutputStream(new ZstdOutputStream(compressed, FAST), sha256);
    write(ascii("{\"database\":{\"version\":\"" + version.version() + "\",\"installs\":{"));
  }

  /**
   * @param references how many listed nodes depend on it
   * @param offered whether the mirror has its archive
   */
  void add(IndexNode node, int references, boolean offered) throws IOException {
    write(ascii((empty ? "\"" : ",\"") + node.hash() + "\":{\"spec\":"));
    write(node.json());
    write(ascii(",\"ref_count\":" + references + ",\"in_buildcache\":" + offered + "}"));
    empty = false;
  }

  /** Ends the text and names it. */
  Digest end() throws IOException {
    write(ascii("}}}"));
    out.close();
    return Digest.fromHash(sha256.digest(), sizeBytes);
  }

  /** Durable on return. */
  void store(BlobStore blobs, Scope scope, Digest digest) throws IOException {
    byte[] buffer = new byte[BUFFER_BYTES];
    try (InputStream in = new ZstdInputStream(new ByteArrayInputStream(compressed.toByteArray()));
        BlobWriter writer = blobs.write(scope, digest)) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        writer.write(ByteBuffer.wrap(buffer, 0, n));
      }
      writer.commit();
    }
  }

  @Override
  public void close() throws IOException {
    out.close();
  }

  private void write(byte[] bytes) throws IOException {
    out.write(bytes);
    sizeBytes += bytes.length;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
