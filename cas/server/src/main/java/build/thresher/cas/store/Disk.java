package build.thresher.cas.store;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/** The three waits for the disk that an acknowledgement depends on; tests make them fail. */
interface Disk {
  Disk REAL = new Real();

  void syncFile(FileChannel file) throws IOException;

  void syncDirectory(Path directory) throws IOException;

  void writeSynced(RocksDB db, WriteOptions synced, WriteBatch batch) throws RocksDBException;

  /** The machine's. */
  class Real implements Disk {
    @Override
    public void syncFile(FileChannel file) throws IOException {
      file.force(true);
    }

    @Override
    public void syncDirectory(Path directory) throws IOException {
      try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
        channel.force(true);
      }
    }

    @Override
    public void writeSynced(RocksDB db, WriteOptions synced, WriteBatch batch)
        throws RocksDBException {
      db.write(synced, batch);
    }
  }
}
