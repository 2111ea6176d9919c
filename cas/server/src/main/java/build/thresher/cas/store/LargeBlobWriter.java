package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.NamingBlobWriter;
import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import org.jspecify.annotations.Nullable;

/** Streams a large blob into a file while hashing it; what stands in the file already counts. */
final class LargeBlobWriter implements NamingBlobWriter {
  private final long atMostBytes;
  private final @Nullable Digest expected;
  private final Path path;
  private final SequentialFile file;
  private final Target target;
  private final MessageDigest sha256 = Digest.sha256();
  private final BlockChecksums.Builder checksums = new BlockChecksums.Builder();
  private final Ending ending;
  private long position;
  private boolean broken;
  private boolean ended;
  private @Nullable Digest name;

  /** Makes a verified file durable and visible. */
  interface Target {
    void publish(Digest digest, FileChannel file, Path path, BlockChecksums checksums)
        throws IOException;
  }

  /** Gives back what the writer holds; called once. */
  interface Ending {
    void end(Path path) throws IOException;
  }

  /**
   * @param expected what the bytes must be; null for whatever they are
   * @param path deleted at the end unless it may be gone on with
   * @param file open on that path; closed with the writer
   */
  LargeBlobWriter(
      long atMostBytes,
      @Nullable Digest expected,
      Path path,
      SequentialFile file,
      Target target,
      Ending ending) {
    this.atMostBytes = atMostBytes;
    this.expected = expected;
    this.path = path;
    this.file = file;
    this.target = target;
    this.ending = ending;
  }

  /** Counts what stands in the file already. */
  void readBack() throws IOException {
    ByteBuffer block = ByteBuffer.allocate(BlockChecksums.BLOCK_BYTES);
    while (file.channel().read(block.clear()) >= 0) {
      count(block.flip());
    }
  }

  private void count(ByteBuffer bytes) {
    position += bytes.remaining();
    sha256.update(bytes.duplicate());
    checksums.update(bytes);
  }

  @Override
  public void write(ByteBuffer bytes) throws IOException {
    if (bytes.remaining() > atMostBytes - position) {
      broken = true;
      if (expected != null) {
        throw new DigestMismatchException(expected, "longer than that");
      }
      throw new IllegalStateException("more than the announced " + atMostBytes + " bytes");
    }
    count(bytes);
    try {
      file.write(bytes);
    } catch (IOException e) {
      broken = true;
      throw cannotBeWritten(e);
    }
  }

  /** Nothing was promised yet, so this write fails alone; with room again the next succeeds. */
  private StoreUnavailableException cannotBeWritten(IOException e) {
    return new StoreUnavailableException(
        "%s cannot be written: %s"
            .formatted(expected == null ? "a blob" : "blob " + expected, e.getMessage()),
        e);
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public Digest name() {
    Digest known = name;
    if (known == null) {
      known = Digest.fromHash(sha256.digest(), position);
      name = known;
    }
    return known;
  }

  @Override
  public void commit() throws IOException {
    broken = true; // Whatever happens now, there is nothing to go on with.
    Digest actual = name();
    if (expected != null && !actual.equals(expected)) {
      throw new DigestMismatchException(expected, actual.toString());
    }
    try {
      file.flush();
    } catch (IOException e) {
      throw cannotBeWritten(e);
    }
    target.publish(actual, file.channel(), path, checksums.build());
  }

  @Override
  public void close() throws IOException {
    if (ended) {
      return;
    }
    ended = true;
    try (file) {
      boolean worthKeeping = !broken && position > 0;
      if (!worthKeeping || !isWhole()) {
        Files.deleteIfExists(path);
      }
    } finally {
      ending.end(path);
    }
  }

  /** Whether all that arrived is in the file. */
  private boolean isWhole() {
    try {
      file.flush();
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
