package build.thresher.executor.inputs;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.ToLongFunction;

/**
 * Locks the entries of a cache among all executors that share it. Prefixes are locked as Spack
 * locks them, so that its own commands may look on: one byte of {@code .spack-db/prefix_lock}, at
 * the offset that the DAG hash gives. Thread-safe.
 */
final class KeyLocks implements DirectoryCache.Guard, Closeable {
  private static final String ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
  private static final int OFFSET_BITS = 63;
  private static final int HASH_CHARACTERS = 32;

  private final LockFile file;
  private final ToLongFunction<String> offset;

  private KeyLocks(LockFile file, ToLongFunction<String> offset) {
    this.file = file;
    this.offset = offset;
  }

  /** Of entries whose keys begin with a DAG hash. */
  static KeyLocks ofPrefixes(Path root) throws IOException {
    Path directory = FileTrees.createReadable(root.resolve(".spack-db"));
    return new KeyLocks(
        LockFile.open(directory.resolve("prefix_lock")),
        key -> dagHashOffset(key.substring(0, HASH_CHARACTERS)));
  }

  /** Of entries whose keys begin with a sha256 in hexadecimal. */
  static KeyLocks ofDigests(Path root) throws IOException {
    return new KeyLocks(
        LockFile.open(FileTrees.createReadable(root).resolve(".lock")),
        key -> Long.parseUnsignedLong(key.substring(0, 16), 16) >>> 1);
  }

  /** The first 63 bits of the hash read as base32. */
  static long dagHashOffset(String dagHash) {
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

  @Override
  public Closeable shared(String key) throws IOException, InterruptedException {
    return file.shared(offset.applyAsLong(key));
  }

  @Override
  public Optional<Closeable> tryExclusive(String key) throws IOException {
    return file.tryExclusive(offset.applyAsLong(key));
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
