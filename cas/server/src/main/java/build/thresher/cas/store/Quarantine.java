package build.thresher.cas.store;

import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import java.io.IOException;
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
  private final LargeBlobFiles files;
  private final DigestLocks locks;
  private final Soundness soundness;
  private final AtomicLong count = new AtomicLong();

  /** Whether a blob can be read whole now, or is not there. */
  interface Soundness {
    boolean isSound(Digest digest) throws IOException;
  }

  Quarantine(
      GroupCommitter committer, LargeBlobFiles files, DigestLocks locks, Soundness soundness) {
    this.committer = committer;
    this.files = files;
    this.locks = locks;
    this.soundness = soundness;
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
      if (soundness.isSound(digest)) {
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
}
