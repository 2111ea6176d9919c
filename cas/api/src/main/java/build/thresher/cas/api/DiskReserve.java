package build.thresher.cas.api;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;

/**
 * The part of a file system that stays free for databases. Whoever writes what is no blob yet, or
 * never will be, and so has reserved no room in the store, asks here: else a client could fill the
 * disk up to the last byte. Any thread.
 *
 * @param directory on the file system
 * @param bytes that stay free
 */
public record DiskReserve(Path directory, long bytes) {
  private static final int CHUNK_BYTES = 1 << 20;

  /** Whether no more should be written. */
  public boolean isTouched() {
    return directory.toFile().getUsableSpace() < bytes;
  }

  /**
   * Copies all, as long as there is room.
   *
   * @throws StoreFullException when the reserve is touched; what was copied until then stays
   */
  public void copy(InputStream in, OutputStream out) throws IOException {
    byte[] chunk = new byte[CHUNK_BYTES];
    for (int n = in.readNBytes(chunk, 0, chunk.length);
        n > 0;
        n = in.readNBytes(chunk, 0, chunk.length)) {
      requireFree();
      out.write(chunk, 0, n);
    }
  }

  /**
   * @throws StoreFullException when no more should be written
   */
  public void requireFree() throws StoreFullException {
    if (isTouched()) {
      throw new StoreFullException(
          "no room: the file system has less free than the " + bytes + " bytes kept in reserve");
    }
  }

  /** The same stream, which throws {@link StoreFullException} once the reserve is touched. */
  public OutputStream guard(OutputStream out) {
    return new FilterOutputStream(out) {
      private long unchecked = CHUNK_BYTES;

      @Override
      public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
      }

      @Override
      public void write(byte[] from, int offset, int length) throws IOException {
        unchecked += length;
        if (unchecked >= CHUNK_BYTES) {
          requireFree();
          unchecked = 0;
        }
        out.write(from, offset, length);
      }
    };
  }
}
