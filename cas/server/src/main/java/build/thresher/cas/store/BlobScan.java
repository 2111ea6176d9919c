package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.store.MetadataCodec.Hold;
import java.io.IOException;
import java.util.Arrays;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksIterator;

/** Every blob with what holds it; both tables are read once, side by side, in order of keys. */
final class BlobScan implements AutoCloseable {
  private final ReadOptions options =
      new ReadOptions().setFillCache(false).setReadaheadSize(256 << 10);
  private final RocksIterator metadata;
  private final RocksIterator holds;
  private boolean begun;

  BlobScan(Database database) {
    this.metadata = database.db.newIterator(database.metadata, options);
    this.holds = database.db.newIterator(database.holds, options);
  }

  boolean next() {
    if (begun) {
      metadata.next();
    } else {
      metadata.seekToFirst();
      holds.seekToFirst();
      begun = true;
    }
    return metadata.isValid();
  }

  Digest digest() throws IOException {
    return Digest.fromHash(metadata.key(), record().sizeBytes());
  }

  BlobRecord record() throws IOException {
    return MetadataCodec.decodeRecord(metadata.value());
  }

  boolean isHeld(long nowMillis) throws IOException {
    byte[] key = metadata.key();
    while (holds.isValid() && Arrays.compareUnsigned(holds.key(), key) < 0) {
      holds.next();
    }
    if (!holds.isValid() || !Arrays.equals(holds.key(), key)) {
      return false;
    }
    Hold hold = MetadataCodec.decodeHold(holds.value());
    return hold.keeps(nowMillis);
  }

  @Override
  public void close() {
    metadata.close();
    holds.close();
    options.close();
  }
}
