package build.thresher.cas.mirror;

import build.thresher.cas.api.NamingBlobWriter;
import build.thresher.cas.api.spack.DagHash;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * The text of one index on its way into the store: an entry for each node, {@code
 * "<hash>":{"spec":{…},"ref_count":1,"in_buildcache":true}}, all of them in one object. One thread.
 */
final class IndexText {
  private static final int BUFFER_BYTES = 256 << 10;
  private static final String END = "}}}";
  private static final String BEFORE_JSON = "\":{\"spec\":";

  private final NamingBlobWriter out;
  private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
  private boolean empty = true;

  IndexText(IndexVersion version, NamingBlobWriter out) throws IOException {
    this.out = out;
    write(beginning(version));
  }

  private static String beginning(IndexVersion version) {
    return "{\"database\":{\"version\":\"" + version.version() + "\",\"installs\":{";
  }

  /** Bytes before the first entry. */
  static int beginningBytes(IndexVersion version) {
    return beginning(version).length();
  }

  /** Bytes of a whole index. */
  static long bytes(IndexVersion version, IndexEntries entries) {
    return beginningBytes(version) + entries.textBytes() + END.length();
  }

  /** Bytes of an entry before its node. */
  static int headBytes() {
    return 1 + DagHash.LENGTH + BEFORE_JSON.length();
  }

  /** Bytes of an entry after its node. */
  static int tailBytes(int references, boolean offered) {
    return tail(references, offered).length();
  }

  static int entryBytes(int jsonBytes, int references, boolean offered) {
    return headBytes() + jsonBytes + tailBytes(references, offered);
  }

  private static String tail(int references, boolean offered) {
    return ",\"ref_count\":" + references + ",\"in_buildcache\":" + offered + "}";
  }

  /**
   * Begins an entry; the node's JSON comes next.
   *
   * @param hash of the node
   */
  void begin(DagHash hash) throws IOException {
    separate();
    write("\"" + hash + BEFORE_JSON);
  }

  void end(int references, boolean offered) throws IOException {
    write(tail(references, offered));
  }

  /** Whole entries with what separates them, as an older index has them. */
  void addWritten(InputStream older, long bytes) throws IOException {
    separate();
    copy(older, bytes);
  }

  private void separate() throws IOException {
    if (!empty) {
      write(",");
    }
    empty = false;
  }

  void copy(InputStream from, long bytes) throws IOException {
    for (long left = bytes; left > 0; ) {
      if (!buffer.hasRemaining()) {
        flush();
      }
      int most = (int) Math.min(left, buffer.remaining());
      int n = from.read(buffer.array(), buffer.position(), most);
      if (n < 0) {
        throw new EOFException("an index ended " + left + " bytes early");
      }
      buffer.position(buffer.position() + n);
      left -= n;
    }
  }

  void write(byte[] bytes) throws IOException {
    for (int at = 0; at < bytes.length; ) {
      if (!buffer.hasRemaining()) {
        flush();
      }
      int n = Math.min(bytes.length - at, buffer.remaining());
      buffer.put(bytes, at, n);
      at += n;
    }
  }

  private void write(String ascii) throws IOException {
    write(ascii.getBytes(StandardCharsets.US_ASCII));
  }

  private void flush() throws IOException {
    out.write(buffer.flip());
    buffer.clear();
  }

  /** Ends the text; the writer has all of it. */
  void end() throws IOException {
    write(END);
    flush();
  }
}
