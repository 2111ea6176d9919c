package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.store.BlobRecord.Representation;
import build.thresher.cas.store.MetadataCodec.Hold;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.locks.Lock;
import java.util.function.Predicate;

/**
 * Takes blobs out of the store, and their files after them. Whether a blob may go is decided on the
 * committer's thread, in order with every use, lease and pin of it.
 */
final class Removal {
  private final GroupCommitter committer;
  private final LargeBlobFiles files;
  private final DigestLocks locks;
  private final InstantSource clock;

  Removal(GroupCommitter committer, LargeBlobFiles files, DigestLocks locks, InstantSource clock) {
    this.committer = committer;
    this.files = files;
    this.locks = locks;
    this.clock = clock;
  }

  /**
   * What was removed.
   *
   * @param inlineBytes those of them that stood in the database
   */
  record Removed(int blobs, long bytes, long inlineBytes) {}

  private record Gone(Digest digest, boolean isFile) {}

  /**
   * Removes those of the blobs that the condition lets go and that nobody leased or pinned.
   *
   * @param condition asked on the committer's thread
   */
  Removed remove(Collection<Digest> digests, Predicate<BlobRecord> condition) throws IOException {
    List<Lock> held = locks.forRemover(digests);
    held.forEach(Lock::lock);
    try {
      List<Gone> gone = committer.commit(0, batch -> remove(batch, digests, condition));
      long fileBytes = 0;
      long inlineBytes = 0;
      for (Gone one : gone) {
        if (one.isFile()) {
          fileBytes += one.digest().sizeBytes();
          files.delete(one.digest());
        } else {
          inlineBytes += one.digest().sizeBytes();
        }
      }
      return new Removed(gone.size(), fileBytes + inlineBytes, inlineBytes);
    } finally {
      held.forEach(Lock::unlock);
    }
  }

  private List<Gone> remove(
      Batch batch, Collection<Digest> digests, Predicate<BlobRecord> condition)
      throws IOException, org.rocksdb.RocksDBException {
    List<Gone> gone = new ArrayList<>();
    for (Digest digest : digests) {
      byte[] key = digest.hashBytes();
      BlobRecord record = batch.record(key);
      Hold hold = batch.hold(key);
      if (record != null
          && record.sizeBytes() == digest.sizeBytes()
          && !hold.keeps(clock.millis())
          && condition.test(record)) {
        batch.remove(key, record);
        batch.setHold(key, Hold.NONE);
        gone.add(new Gone(digest, isFile(record)));
      }
    }
    return gone;
  }

  static boolean isFile(BlobRecord record) {
    return record.representation() == Representation.FILE;
  }
}
