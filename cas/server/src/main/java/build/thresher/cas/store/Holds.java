package build.thresher.cas.store;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.store.MetadataCodec.Hold;
import java.io.IOException;
import java.time.Instant;
import java.util.Collection;

/** Leases and pins: what keeps a blob however little it is used. Durable on return. */
final class Holds {
  private final GroupCommitter committer;

  Holds(GroupCommitter committer) {
    this.committer = committer;
  }

  void lease(Collection<Digest> digests, Instant until) throws IOException {
    long millis = until.toEpochMilli();
    change(digests, hold -> new Hold(Math.max(hold.leasedUntilMillis(), millis), hold.pins()));
  }

  void pin(Collection<Digest> digests) throws IOException {
    change(digests, hold -> new Hold(hold.leasedUntilMillis(), hold.pins() + 1));
  }

  void unpin(Collection<Digest> digests) throws IOException {
    change(
        digests,
        hold -> {
          if (hold.pins() == 0) {
            throw new IllegalStateException("a blob was unpinned more often than it was pinned");
          }
          return new Hold(hold.leasedUntilMillis(), hold.pins() - 1);
        });
  }

  private interface Change {
    Hold change(Hold hold);
  }

  private void change(Collection<Digest> digests, Change change) throws IOException {
    committer.run(
        0,
        batch -> {
          for (Digest digest : digests) {
            if (digest.equals(Digest.EMPTY)) {
              continue;
            }
            byte[] key = digest.hashBytes();
            BlobRecord record = batch.record(key);
            if (record == null || record.sizeBytes() != digest.sizeBytes()) {
              throw new BlobNotFoundException(digest);
            }
            batch.setHold(key, change.change(batch.hold(key)));
          }
        });
  }
}
