package build.thresher.cas.store;

import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

class DatabaseTest {
  private static final int RECORDS = 1_000_000;
  private static final int QUESTIONS = 1_000;

  @TempDir private Path temp;

  private final Random random = new Random(1);

  private byte[] key() {
    byte[] key = new byte[32];
    random.nextBytes(key);
    return key;
  }

  private void fill(Database database) throws RocksDBException {
    byte[] record = MetadataCodec.encode(new BlobRecord(BlobRecord.Representation.INLINE, 1, 1));
    try (WriteOptions unlogged = new WriteOptions().setDisableWAL(true)) {
      for (int i = 0; i < RECORDS; i += 10_000) {
        try (WriteBatch batch = new WriteBatch()) {
          for (int j = 0; j < 10_000; j++) {
            batch.put(database.metadata, key(), record);
          }
          database.db.write(unlogged, batch);
        }
      }
    }
    database.db.compactRange(database.metadata);
  }

  /** Through the page cache or not: a read that the cache of RocksDB spares does not count. */
  private static long bytesReadByThisProcess() throws IOException {
    Matcher read =
        Pattern.compile("rchar: (\\d+)").matcher(Files.readString(Path.of("/proc/self/io")));
    assertTrue(read.find());
    return Long.parseLong(read.group(1));
  }

  /** The filter of such a table is larger than what a part of the cache keeps of filters. */
  @Test
  void aQuestionReadsLittleHoweverManyBlobsThereAre() throws Exception {
    StoreOptions small = StoreOptions.DEFAULTS.withBlockCacheBytes(1 << 20);
    try (Database database = Database.open(temp, small)) {
      fill(database);
      long before = bytesReadByThisProcess();
      for (int i = 0; i < QUESTIONS; i++) {
        assertNull(database.db.get(database.metadata, key()));
      }
      long each = (bytesReadByThisProcess() - before) / QUESTIONS;
      assertTrue(each < 64 << 10, each + " bytes");
    }
  }
}
