package build.thresher.executor.images;

import build.thresher.cas.api.BulkFilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;

/** Gives up when nothing comes for a while: the HTTP client would wait for ever. One reader. */
final class PatientStream extends BulkFilterInputStream {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final String what;
  private final Thread watch;
  private volatile boolean moved;
  private volatile boolean gaveUp;

  PatientStream(InputStream in, String what) {
    super(in);
    this.what = what;
    this.watch = Thread.ofVirtual().name("patience").start(this::watch);
  }

  private void watch() {
    try {
      do {
        moved = false;
        Thread.sleep(PATIENCE);
      } while (moved);
      gaveUp = true;
      in.close();
    } catch (InterruptedException e) {
      // All has been read.
    } catch (IOException e) {
      gaveUp = true;
    }
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    try {
      int n = in.read(buffer, offset, length);
      moved = true;
      if (n < 0 && gaveUp) {
        throw new IOException("the end is not the end");
      }
      return n;
    } catch (IOException e) {
      throw gaveUp
          ? new IOException(
              "nothing came of " + what + " for " + PATIENCE.toSeconds() + " seconds", e)
          : e;
    }
  }

  @Override
  public void close() throws IOException {
    watch.interrupt();
    in.close();
  }
}
