package build.thresher.cas.store;

import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;

/** Streams a large blob into a temporary file while hashing it. */
final class LargeBlobWriter implements BlobWriter {
  private final Digest digest;
  private final Room.Reservation room;
  private final Path temporary;
  private final FileChannel file;
  private final Target target;
  private final MessageDigest sha256 = Digest.sha256();
  private final BlockChecksums.Builder checksums = new BlockChecksums.Builder();
  private long position;

  /** Makes a verified file durable and visible. */
  interface Target {
    void publish(FileChannel file, Path temporary, BlockChecksums checksums) throws IOException;
  }

  LargeBlobWriter(Digest digest, Room.Reservation room, LargeBlobFiles files, Target target)
      throws IOException {
    this.digest = digest;
    this.room = room;
    this.target = target;
    this.temporary = files.newTemporary();
    this.file = files.create(temporary);
  }

  @Override
  public void write(ByteBuffer bytes) throws IOException {
    if (bytes.remaining() > digest.sizeBytes() - position) {
      throw new DigestMismatchException(digest, "longer than that");
    }
    position += bytes.remaining();
    sha256.update(bytes.duplicate());
    checksums.update(bytes);
    try {
      while (bytes.hasRemaining()) {
        file.write(bytes);
      }
    } catch (IOException e) {
      // Nothing was promised yet, so this write fails alone; with room again the next succeeds.
      throw new StoreUnavailableException(
          "blob " + digest + " cannot be written: " + e.getMessage(), e);
    }
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public void commit() throws IOException {
    Digest actual = Digest.fromHash(sha256.digest(), position);
    if (!actual.equals(digest)) {
      throw new DigestMismatchException(digest, actual.toString());
    }
    target.publish(file, temporary, checksums.build());
  }

  @Override
  public void close() throws IOException {
    try (room;
        file) {
      Files.deleteIfExists(temporary);
    }
  }
}
