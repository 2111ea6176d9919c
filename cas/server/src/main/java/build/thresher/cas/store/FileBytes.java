package build.thresher.cas.store;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** An open file, read at any place. Used by one thread at a time. */
interface FileBytes extends Closeable {
  /** Reads some bytes, as {@link FileChannel#read(ByteBuffer, long)} does; below 0 at the end. */
  int read(ByteBuffer into, long position) throws IOException;

  /** Closes the file with this. */
  static FileBytes of(FileChannel file) {
    return new FileBytes() {
      @Override
      public int read(ByteBuffer into, long position) throws IOException {
        return file.read(into, position);
      }

      @Override
      public void close() throws IOException {
        file.close();
      }
    };
  }
}
