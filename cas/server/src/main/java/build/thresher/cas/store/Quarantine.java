package build.thresher.cas.store;

import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Lock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What happens to a damaged blob: it is no longer reported, so that its next upload repairs it, and
 * a file is put aside for whoever wants to know why. Leases and pins stay: they are promises about
 * the name, which the next upload keeps again.
 */
final class Quarantine {
  private static final Logger log = LoggerFactory.getLogger(Quarantine.class);

  private final GroupCommitter committer;
  private final BlobIndex index;
  private final LargeBlobFiles files;
  private final DigestLocks locks;
  private final AtomicLong count = new AtomicLong();

  Quarantine(GroupCommitter committer, BlobIndex index, LargeBlobFiles files, DigestLocks locks) {
    this.committer = committer;
    this.index = index;
    this.files = files;
    this.locks = locks;
  }

  /** Blobs that were taken away since the store was opened. */
  long count() {
    return count.get();
  }

  /** Takes the blob away and gives what its reader is told. */
  CorruptBlobException take(Digest digest, DamagedException damage) {
    log.error("blob damaged, quarantined blob={} what={}", digest, damage.what());
    Lock lock = locks.forRemover(digest);
    lock.lock();
    try {
      if (isSound(digest)) {
        return new CorruptBlobException(digest, damage.what() + "; repaired since, read again");
      }
      Optional<BlobRecord> removed =
          committer.commit(
              0,
              batch -> {
                BlobRecord record = batch.record(digest.hashBytes());
                if (record != null) {
                  batch.remove(digest.hashBytes(), record);
                }
                return Optional.ofNullable(record);
              });
      removed.ifPresent(record -> count.incrementAndGet());
      if (removed.filter(Removal::isFile).isPresent()) {
        files.quarantine(digest);
      }
      return new CorruptBlobException(digest, damage.what());
    } catch (IOException e) {
      CorruptBlobException told = new CorruptBlobException(digest, damage.what());
      told.addSuppressed(e);
      return told;
    } finally {
      lock.unlock();
    }
  }

  /** Whether somebody uploaded it again between the damaged read and now. */
  private boolean isSound(Digest digest) throws IOException {
    BlobRecord record = index.record(digest);
    if (record == null) {
      return true;
    }
    try {
      return switch (record.representation()) {
        case INLINE -> index.readInline(digest, 0, (int) digest.sizeBytes()) != null;
        case FILE -> isSoundFile(digest);
      };
    } catch (DamagedException e) {
      return false;
    }
  }

  private boolean isSoundFile(Digest digest) throws IOException, DamagedException {
    BlockChecksums checksums = index.fileChecksums(digest);
    ByteBuffer block = ByteBuffer.allocate(BlockChecksums.BLOCK_BYTES);
    try (FileChannel file = files.openForRead(digest, index)) {
      for (int i = 0; i < checksums.blocks(); i++) {
        CheckedFileStream.readBlock(file, checksums, digest.sizeBytes(), i, block);
      }
      return true;
    }
  }
}
