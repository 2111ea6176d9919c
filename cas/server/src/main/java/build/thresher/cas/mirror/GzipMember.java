package build.thresher.cas.mirror;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.CRC32;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;

/**
 * Unpacks a file that is one gzip member and nothing else (RFC 1952). Readers of gzip differ in
 * what they do with a second member or with bytes after the first one, so that two of them could
 * see two archives in one file; here both are refused, and so is a wrong checksum.
 *
 * <p>Used by one thread.
 *
 * @see java.util.zip.GZIPInputStream which goes on to further members and ignores what follows
 */
final class GzipMember extends InflaterInputStream {
  private static final int BUFFER_BYTES = 64 << 10;
  private static final int DEFLATE = 8;
  private static final int HEADER_CHECKSUM = 2;
  private static final int EXTRA = 4;
  private static final int NAME = 8;
  private static final int COMMENT = 16;
  private static final int TRAILER_BYTES = 8;
  private static final int MAX_HEADER_BYTES = 64 << 10;

  private final CRC32 checksum = new CRC32();
  private int headerBytes;
  private boolean whole;

  /**
   * @throws ZipException here or while reading, when it is no such file
   * @throws EOFException here or while reading, when its end is missing
   */
  GzipMember(InputStream in) throws IOException {
    super(in, new Inflater(true), BUFFER_BYTES);
    try {
      header();
    } catch (IOException | RuntimeException e) {
      inf.end();
      throw e;
    }
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    int n = super.read(buffer, offset, length);
    if (n > 0) {
      checksum.update(buffer, offset, n);
    } else if (n < 0 && !whole) {
      trailer();
      whole = true;
    }
    return n;
  }

  @Override
  public void close() throws IOException {
    super.close();
    inf.end();
  }

  private void header() throws IOException {
    if (next() != 0x1f || next() != 0x8b || next() != DEFLATE) {
      throw new ZipException("it does not begin as a gzip file");
    }
    int flags = next();
    for (int skipped = 0; skipped < 6; skipped++) {
      next();
    }
    if ((flags & ~(HEADER_CHECKSUM | EXTRA | NAME | COMMENT | 1)) != 0) {
      throw new ZipException("its header has flags that gzip has not");
    }
    if ((flags & EXTRA) != 0) {
      for (int left = next() | (next() << 8); left > 0; left--) {
        next();
      }
    }
    for (int text : new int[] {NAME, COMMENT}) {
      if ((flags & text) != 0) {
        while (next() != 0) {
          // Skipped: nobody needs the name of the file.
        }
      }
    }
    if ((flags & HEADER_CHECKSUM) != 0) {
      next();
      next();
    }
  }

  private int next() throws IOException {
    int b = in.read();
    if (b < 0) {
      throw new EOFException("its header is cut off");
    }
    if (++headerBytes > MAX_HEADER_BYTES) {
      throw new ZipException("its header does not end");
    }
    return b;
  }

  private void trailer() throws IOException {
    byte[] rest = new byte[TRAILER_BYTES + 1];
    int have = Math.min(inf.getRemaining(), rest.length);
    System.arraycopy(buf, len - inf.getRemaining(), rest, 0, have);
    have += in.readNBytes(rest, have, rest.length - have);
    if (have < TRAILER_BYTES) {
      throw new EOFException("its checksum is cut off");
    }
    if (have > TRAILER_BYTES) {
      throw new ZipException("it goes on after its first member");
    }
    if (littleEndian(rest, 0) != checksum.getValue()
        || littleEndian(rest, 4) != (inf.getBytesWritten() & 0xffffffffL)) {
      throw new ZipException("its checksum is wrong");
    }
  }

  private static long littleEndian(byte[] bytes, int at) {
    long value = 0;
    for (int i = 3; i >= 0; i--) {
      value = (value << 8) | (bytes[at + i] & 0xff);
    }
    return value;
  }
}
