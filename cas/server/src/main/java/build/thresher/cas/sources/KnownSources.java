package build.thresher.cas.sources;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The sizes of sources, by SHA-256: recipes name a source by its hash alone, the store wants the
 * size too; and which trees archives unpack to. Losing an entry costs one fetch or unpacking.
 * Threading: any thread.
 */
final class KnownSources implements AutoCloseable {
  private final SourceTable table;

  private KnownSources(SourceTable table) {
    this.table = table;
  }

  static KnownSources open(Path dir) throws IOException {
    return new KnownSources(SourceTable.open(dir));
  }

  /**
   * @param sha256 digest of size 0
   */
  @Nullable Digest find(Digest sha256) throws IOException {
    byte[] size = table.get(sha256.hashBytes());
    return size == null
        ? null
        : Digest.fromHash(sha256.hashBytes(), ByteBuffer.wrap(size).getLong());
  }

  void add(Digest source) throws IOException {
    put(source.hashBytes(), ByteBuffer.allocate(Long.BYTES).putLong(source.sizeBytes()).array());
  }

  /** The source that once fitted checksums without a SHA-256 among them. */
  @Nullable Digest find(Checksums checksums) throws IOException {
    return digest(key(checksums));
  }

  void add(Checksums checksums, Digest source) throws IOException {
    put(key(checksums), source);
  }

  /** The archive that was once made of a commit. */
  @Nullable Digest find(GitRequest git) throws IOException {
    return digest(git.key().getBytes(StandardCharsets.UTF_8));
  }

  void add(GitRequest git, Digest archive) throws IOException {
    put(git.key().getBytes(StandardCharsets.UTF_8), archive);
  }

  /** The root directory of what was once unpacked from a directory of an archive. */
  @Nullable Digest findTree(Digest archive, String directory) throws IOException {
    return digest(key(archive, directory));
  }

  void addTree(Digest archive, String directory, Digest root) throws IOException {
    put(key(archive, directory), root);
  }

  private @Nullable Digest digest(byte[] key) throws IOException {
    byte[] found = table.get(key);
    if (found == null) {
      return null;
    }
    ByteBuffer in = ByteBuffer.wrap(found);
    byte[] hash = new byte[Digest.HASH_BYTES];
    in.get(hash);
    return Digest.fromHash(hash, in.getLong());
  }

  private void put(byte[] key, Digest digest) throws IOException {
    put(
        key,
        ByteBuffer.allocate(Digest.HASH_BYTES + Long.BYTES)
            .put(digest.hashBytes())
            .putLong(digest.sizeBytes())
            .array());
  }

  /** Longer than the key of a SHA-256, as the next. */
  private static byte[] key(Checksums checksums) {
    return ("checksums " + checksums).getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] key(Digest archive, String directory) {
    return ("tree " + archive.hex() + " " + archive.sizeBytes() + " " + directory)
        .getBytes(StandardCharsets.UTF_8);
  }

  private void put(byte[] key, byte[] value) throws IOException {
    table.write(List.of(new SourceTable.Row(key, value)));
  }

  @Override
  public void close() {
    table.close();
  }
}
