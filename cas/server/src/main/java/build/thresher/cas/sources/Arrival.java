package build.thresher.cas.sources;

import build.thresher.cas.api.BulkInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A source on its way into the spool. Others may read it meanwhile; they get its last byte when its
 * checksum is known to be right, and an exception where it is not, so that nobody has a whole file
 * that is another one.
 *
 * <p>Threading: one thread writes; any may read, and waits for the writer.
 */
final class Arrival {
  private final Path file;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private int attempt;
  private long written;
  private boolean verified;
  private boolean over;

  Arrival(Path file) {
    this.file = file;
  }

  private void change(Runnable change) {
    lock.lock();
    try {
      change.run();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** The file is about to be written from its start, by the next address. */
  void begins() {
    change(
        () -> {
          attempt++;
          written = 0;
        });
  }

  void wrote(int bytes) {
    change(() -> written += bytes);
  }

  void isVerified() {
    change(() -> verified = true);
  }

  /** Nothing more comes, and the file may go. */
  void ends() {
    change(() -> over = true);
  }

  private long readable() {
    return verified ? written : written - 1;
  }

  /**
   * What arrives, from its start.
   *
   * @return empty while there is nothing to read, and when it is over
   */
  Optional<InputStream> open() throws IOException {
    lock.lock();
    try {
      return readable() > 0 && !over
          ? Optional.of(new Follower(FileChannel.open(file, StandardOpenOption.READ), attempt))
          : Optional.empty();
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } finally {
      lock.unlock();
    }
  }

  private final class Follower extends BulkInputStream {
    private final FileChannel channel;
    private final int followed;

    Follower(FileChannel channel, int followed) {
      this.channel = channel;
      this.followed = followed;
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      long ahead = await(channel.position());
      if (ahead == 0) {
        return -1;
      }
      int n = channel.read(ByteBuffer.wrap(buffer, offset, (int) Math.min(length, ahead)));
      // Only now is it known whose bytes these are.
      await(channel.position() - 1);
      return n;
    }

    /** How many bytes there are to read behind a position; 0 at the end. */
    private long await(long position) throws IOException {
      lock.lock();
      try {
        while (true) {
          if (followed != attempt || (over && !verified)) {
            throw new IOException("the fetch failed after a part of it had come");
          }
          if (verified || readable() > position) {
            return readable() - position;
          }
          changed.await();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted while a source arrived");
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }
}
