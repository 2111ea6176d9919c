package build.thresher.cas.store;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.store.BlobIndex.Stored;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
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

  /** Told of what was read, before more is. */
  interface Progress {
    void read(long bytes);
  }

  /** Reads all of a blob, and takes it away when it is damaged; true when it is sound or gone. */
  boolean check(Digest digest, Progress progress) throws IOException {
    try {
      requireSound(digest, progress);
      return true;
    } catch (DamagedException e) {
      CorruptBlobException taken = take(digest, e);
      log.debug("found by scrubbing", taken);
      return false;
    }
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
    try {
      requireSound(digest, bytes -> {});
      return true;
    } catch (DamagedException e) {
      return false;
    }
  }

  private void requireSound(Digest digest, Progress progress) throws IOException, DamagedException {
    Stored stored = index.stored(List.of(digest)).getFirst();
    if (stored == null) {
      return;
    }
    switch (stored.record().representation()) {
      case INLINE -> {
        byte[] whole = BlobIndex.inline(digest, stored.value(), 0, (int) digest.sizeBytes());
        progress.read(whole.length);
      }
      case FILE ->
          requireSoundFile(digest, BlobIndex.fileChecksums(digest, stored.value()), progress);
    }
  }

  private void requireSoundFile(Digest digest, BlockChecksums checksums, Progress progress)
      throws IOException, DamagedException {
    ByteBuffer block = ByteBuffer.allocate(BlockChecksums.BLOCK_BYTES);
    try (FileBytes file = FileBytes.of(files.openForRead(digest, index))) {
      for (int i = 0; i < checksums.blocks(); i++) {
        CheckedFileStream.readBlock(file, checksums, digest.sizeBytes(), i, block);
        progress.read(block.limit());
      }
    } catch (BlobNotFoundException e) {
      log.debug("removed while it was checked", e);
    }
  }
}
