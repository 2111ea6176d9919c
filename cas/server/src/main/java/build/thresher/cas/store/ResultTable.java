package build.thresher.cas.store;

import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Small values by key beside the blobs, in the same database: one journal, so that a result and the
 * blobs of other writers share a wait for the disk, and one clock of last use, so that a result
 * goes when what it names has gone unused as long.
 *
 * <p>What {@link #put} acknowledged is on disk. Nothing is verified here.
 *
 * <p>Threading: any number of threads; calls block.
 */
public final class ResultTable {
  private static final byte VERSION = 1;
  private static final int HEADER_BYTES = 1 + Integer.BYTES;

  private final Database database;
  private final NativeReads reads;
  private final GroupCommitter committer;
  private final BlobWrites.Reserve reserve;
  private final LastUse lastUse;

  ResultTable(
      Database database,
      NativeReads reads,
      GroupCommitter committer,
      BlobWrites.Reserve reserve,
      LastUse lastUse) {
    this.database = database;
    this.reads = reads;
    this.committer = committer;
    this.reserve = reserve;
    this.lastUse = lastUse;
  }

  /** The value that was put last; counts as a use of it. */
  public Optional<byte[]> find(byte[] key) throws IOException {
    byte @Nullable [] found = reads.get(database.results, key);
    if (found == null) {
      return Optional.empty();
    }
    if (lastUse(found) < lastUse.epoch()) {
      touch(key);
    }
    byte[] value = new byte[found.length - HEADER_BYTES];
    System.arraycopy(found, HEADER_BYTES, value, 0, value.length);
    return Optional.of(value);
  }

  private void touch(byte[] key) throws IOException {
    try {
      committer.runLater(
          batch -> {
            byte[] present = batch.result(key);
            if (present != null && lastUse(present) < lastUse.epoch()) {
              batch.putResult(
                  key, ByteBuffer.wrap(present.clone()).putInt(1, lastUse.epoch()).array());
            }
          });
    } catch (StoreUnavailableException e) {
      // A read-only store goes on answering; it evicts nothing either.
    }
  }

  /** Replaces the value; on return it is on disk. */
  public void put(byte[] key, byte[] value) throws IOException {
    put(key, value, lastUse.epoch());
  }

  /** The same for a value that counts as in use until then, however little it is. */
  public void put(byte[] key, byte[] value, Instant usedUntil) throws IOException {
    put(key, value, Math.max(lastUse.epoch(), LastUse.epochOf(usedUntil)));
  }

  private void put(byte[] key, byte[] value, int epoch) throws IOException {
    byte[] stored =
        ByteBuffer.allocate(HEADER_BYTES + value.length)
            .put(VERSION)
            .putInt(epoch)
            .put(value)
            .array();
    Room.Reservation reservation = reserve.reserve(stored.length);
    try {
      committer.run(stored.length, batch -> batch.putResult(key, stored));
    } finally {
      reservation.close();
    }
  }

  static int lastUse(byte[] stored) throws IOException {
    if (stored.length < HEADER_BYTES || stored[0] != VERSION) {
      throw new IOException(
          "a stored result has "
              + stored.length
              + " bytes"
              + (stored.length == 0 ? "" : " and version " + stored[0])
              + "; this version reads version "
              + VERSION);
    }
    return ByteBuffer.wrap(stored).getInt(1);
  }
}
