package build.thresher.executor.inputs;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Spack's own locks of prefixes: one byte of {@code .spack-db/prefix_lock} for each, at the offset
 * that the DAG hash gives.
 *
 * <p>POSIX drops all locks of a process on a file when any descriptor of it is closed, so the file
 * is opened once and stays open. These locks exclude processes; threads of this one must be
 * excluded by the caller, who never holds two locks of one hash.
 */
final class PrefixLocks implements Closeable {
  private static final String ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
  private static final int OFFSET_BITS = 63;

  private final FileChannel channel;

  PrefixLocks(Path installRoot) throws IOException {
    Path directory = Files.createDirectories(installRoot.resolve(".spack-db"));
    channel =
        FileChannel.open(
            directory.resolve("prefix_lock"),
            StandardOpenOption.CREATE,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE);
  }

  /** The first 63 bits of the hash read as base32. */
  static long offset(String dagHash) {
    Names.dagHash(dagHash);
    long value = 0;
    int bits = 0;
    for (int i = 0; bits < OFFSET_BITS; i++) {
      int digit = ALPHABET.indexOf(dagHash.charAt(i));
      int taken = Math.min(5, OFFSET_BITS - bits);
      value = (value << taken) | (digit >>> (5 - taken));
      bits += taken;
    }
    return value;
  }

  /** Waits until nobody else uses the prefix. */
  Closeable exclusive(String dagHash) throws IOException {
    return lock(dagHash, false);
  }

  /** Waits until nobody changes the prefix. */
  Closeable shared(String dagHash) throws IOException {
    return lock(dagHash, true);
  }

  private Closeable lock(String dagHash, boolean shared) throws IOException {
    FileLock lock = channel.lock(offset(dagHash), 1, shared);
    return lock::release;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
