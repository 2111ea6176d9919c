package build.thresher.cas.store;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.util.List;

/**
 * Reading blobs: every byte is checked before it is given out, and a blob that fails is
 * quarantined. Any thread.
 */
final class BlobReads {
  private final BlobIndex index;
  private final LargeBlobFiles files;
  private final LastUse lastUse;
  private final Quarantine quarantine;

  BlobReads(BlobIndex index, LargeBlobFiles files, LastUse lastUse, Quarantine quarantine) {
    this.index = index;
    this.files = files;
    this.lastUse = lastUse;
    this.quarantine = quarantine;
  }

  InputStream read(Digest digest, long offset, long length) throws IOException {
    if (offset < 0 || offset > digest.sizeBytes() || length < 0) {
      throw new IllegalArgumentException(
          "range " + offset + "+" + length + " is not inside blob " + digest);
    }
    if (digest.equals(Digest.EMPTY)) {
      return InputStream.nullInputStream();
    }
    BlobRecord record = index.record(digest);
    if (record == null) {
      throw new BlobNotFoundException(digest);
    }
    if (record.lastUseEpoch() < lastUse.epoch()) {
      lastUse.touch(List.of(digest));
    }
    long wanted = Math.min(length, digest.sizeBytes() - offset);
    try {
      return switch (record.representation()) {
        case INLINE -> index.readInline(digest, (int) offset, (int) wanted);
        case FILE -> openFile(digest, offset, wanted);
      };
    } catch (DamagedException e) {
      throw quarantine.take(digest, e);
    }
  }

  private InputStream openFile(Digest digest, long offset, long length)
      throws IOException, DamagedException {
    BlockChecksums checksums = index.fileChecksums(digest);
    FileChannel file = files.openForRead(digest, index);
    return new CheckedFileStream(
        file, checksums, digest.sizeBytes(), offset, length, e -> quarantine.take(digest, e));
  }
}
