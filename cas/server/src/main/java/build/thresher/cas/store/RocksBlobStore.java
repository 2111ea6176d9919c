package build.thresher.cas.store;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import build.thresher.cas.store.BlobRecord.Representation;
import build.thresher.cas.store.MetadataCodec.Hold;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The durable store: small blobs inside RocksDB, large ones as files beside it, metadata of both in
 * RocksDB. What it acknowledged survives kill and power loss: bytes and names are synced before the
 * metadata is, and the metadata before the answer.
 *
 * <p>Every read is checked against CRC32C block checksums; a damaged blob is quarantined: no longer
 * reported, and repaired by its next upload. After the first failed sync the store serves reads
 * only. One process owns the directory.
 *
 * <p>Threading: any number of threads; calls block. RocksDB is asked on the threads of {@link
 * NativeReads} and written by the one of {@link GroupCommitter}. Locks: {@link DigestLocks}, held
 * while a large blob's file and metadata change together.
 */
public final class RocksBlobStore implements BlobStore {
  private static final Logger log = LoggerFactory.getLogger(RocksBlobStore.class);

  /** Last use is known to this precision, so that a busy blob is not rewritten at each use. */
  private static final int EPOCH_SECONDS = 3_600;

  private final StoreOptions options;
  private final InstantSource clock;
  private final StoreDirectory directory;
  private final WriteGate gate;
  private final Room room;
  private final LargeBlobFiles files;
  private final Database database;
  private final GroupCommitter committer;
  private final BlobIndex index;
  private final ResultTable results;
  private final DigestLocks locks = new DigestLocks();

  private RocksBlobStore(
      StoreOptions options,
      InstantSource clock,
      StoreDirectory directory,
      WriteGate gate,
      Room room,
      LargeBlobFiles files,
      Database database,
      GroupCommitter committer) {
    this.options = options;
    this.clock = clock;
    this.directory = directory;
    this.gate = gate;
    this.room = room;
    this.files = files;
    this.database = database;
    this.committer = committer;
    NativeReads reads = new NativeReads(options.readThreads());
    this.index = new BlobIndex(database, reads);
    this.results = new ResultTable(database, reads, committer, room, this::epoch);
  }

  /**
   * Opens the store in a directory, making it where there is none.
   *
   * @throws IOException when another process has it, it is of an unknown format, or it is damaged
   */
  public static RocksBlobStore open(Path dir, StoreOptions options, InstantSource clock)
      throws IOException {
    return open(dir, options, clock, Disk.REAL);
  }

  static RocksBlobStore open(Path dir, StoreOptions options, InstantSource clock, Disk disk)
      throws IOException {
    StoreDirectory directory = StoreDirectory.open(dir, disk);
    Database database = null;
    boolean opened = false;
    try {
      WriteGate gate = new WriteGate();
      LargeBlobFiles files = LargeBlobFiles.open(dir, disk, gate);
      database = Database.open(dir.resolve("db"), options);
      GroupCommitter committer = new GroupCommitter(database, disk, gate);
      Room room = new Room(dir, options.reserveBytes());
      RocksBlobStore store =
          new RocksBlobStore(options, clock, directory, gate, room, files, database, committer);
      if (!directory.wasClosedCleanly()) {
        store.removeOrphans();
      }
      opened = true;
      Statistics held = store.statistics();
      log.info("store open dir={} blobs={} bytes={}", dir, held.blobs(), held.bytes());
      return store;
    } finally {
      if (!opened) {
        if (database != null) {
          database.close();
        }
        directory.abandon();
      }
    }
  }

  /** Files that were renamed into place when a crash came before their metadata. */
  private void removeOrphans() throws IOException {
    files.forEach(
        digest -> {
          BlobRecord record = index.record(digest);
          if (record == null || record.representation() != Representation.FILE) {
            files.delete(digest);
          }
        });
  }

  @Override
  public Set<Digest> findMissing(Scope scope, Collection<Digest> wanted) throws IOException {
    List<Digest> asked = new ArrayList<>(new LinkedHashSet<>(wanted));
    asked.remove(Digest.EMPTY);
    List<@Nullable BlobRecord> records = index.records(asked);
    Set<Digest> missing = new LinkedHashSet<>();
    List<Digest> used = new ArrayList<>();
    for (int i = 0; i < asked.size(); i++) {
      BlobRecord record = records.get(i);
      if (record == null) {
        missing.add(asked.get(i));
      } else if (record.lastUseEpoch() < epoch()) {
        used.add(asked.get(i));
      }
    }
    touch(used);
    return missing;
  }

  @Override
  public InputStream read(Scope scope, Digest digest, long offset, long length) throws IOException {
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
    if (record.lastUseEpoch() < epoch()) {
      touch(List.of(digest));
    }
    long wanted = Math.min(length, digest.sizeBytes() - offset);
    try {
      return switch (record.representation()) {
        case INLINE -> index.readInline(digest, (int) offset, (int) wanted);
        case FILE -> openFile(digest, offset, wanted);
      };
    } catch (DamagedException e) {
      throw quarantine(digest, e);
    }
  }

  private InputStream openFile(Digest digest, long offset, long length)
      throws IOException, DamagedException {
    BlockChecksums checksums = index.fileChecksums(digest);
    FileChannel file = openOrDamaged(digest);
    return new CheckedFileStream(
        file, checksums, digest.sizeBytes(), offset, length, e -> quarantineQuietly(digest, e));
  }

  private FileChannel openOrDamaged(Digest digest) throws IOException, DamagedException {
    try {
      return files.openForRead(digest);
    } catch (NoSuchFileException e) {
      if (index.record(digest) == null) {
        throw new BlobNotFoundException(digest);
      }
      throw new DamagedException(-1, "its file is gone");
    }
  }

  @Override
  public BlobWriter write(Scope scope, Digest digest) throws IOException {
    gate.check();
    if (digest.sizeBytes() < options.largeBlobBytes()) {
      return new SmallBlobWriter(digest, blob -> putAll(scope, List.of(blob)));
    }
    return newLargeWriter(digest);
  }

  private BlobWriter newLargeWriter(Digest digest) throws IOException {
    Room.Reservation reservation = room.reserve(digest.sizeBytes());
    boolean opened = false;
    try {
      BlobWriter writer =
          new LargeBlobWriter(
              digest,
              reservation,
              files,
              (file, temporary, checksums) -> publish(digest, file, temporary, checksums));
      opened = true;
      return writer;
    } finally {
      if (!opened) {
        reservation.close();
      }
    }
  }

  private void publish(Digest digest, FileChannel file, Path temporary, BlockChecksums checksums)
      throws IOException {
    Lock lock = locks.forWriter(digest);
    lock.lock();
    try {
      gate.check();
      if (index.record(digest) != null) {
        return;
      }
      files.publish(file, temporary, digest);
      BlobRecord record = new BlobRecord(Representation.FILE, digest.sizeBytes(), epoch());
      byte[] value = BlobIndex.fileValue(checksums);
      committer.run(value.length, batch -> batch.putIfAbsent(digest.hashBytes(), record, value));
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void putAll(Scope scope, List<Blob> blobs) throws IOException {
    gate.check();
    long bytes = 0;
    for (Blob blob : blobs) {
      Digest actual = Digest.of(blob.bytes());
      if (!actual.equals(blob.digest())) {
        throw new DigestMismatchException(blob.digest(), actual.toString());
      }
      bytes += blob.digest().sizeBytes();
    }
    List<GroupCommitter.Mutation> small = new ArrayList<>(blobs.size());
    for (Blob blob : blobs) {
      long size = blob.digest().sizeBytes();
      if (size >= options.largeBlobBytes()) {
        try (BlobWriter writer = newLargeWriter(blob.digest())) {
          writer.write(ByteBuffer.wrap(blob.bytes()));
          writer.commit();
        }
      } else if (size > 0) {
        BlobRecord record = new BlobRecord(Representation.INLINE, size, epoch());
        byte[] value = BlobIndex.inlineValue(blob.bytes());
        small.add(batch -> batch.putIfAbsent(blob.digest().hashBytes(), record, value));
      }
    }
    if (small.isEmpty()) {
      return;
    }
    Room.Reservation reservation = room.reserve(bytes);
    try {
      committer.run(
          bytes,
          batch -> {
            for (GroupCommitter.Mutation put : small) {
              put.apply(batch);
            }
          });
    } finally {
      reservation.close();
    }
  }

  @Override
  public void lease(Scope scope, Collection<Digest> digests, Instant until) throws IOException {
    long millis = until.toEpochMilli();
    changeHolds(digests, hold -> new Hold(Math.max(hold.leasedUntilMillis(), millis), hold.pins()));
  }

  @Override
  public void pin(Scope scope, Collection<Digest> digests) throws IOException {
    changeHolds(digests, hold -> new Hold(hold.leasedUntilMillis(), hold.pins() + 1));
  }

  @Override
  public void unpin(Scope scope, Collection<Digest> digests) throws IOException {
    changeHolds(
        digests,
        hold -> {
          if (hold.pins() == 0) {
            throw new IllegalStateException("a blob was unpinned more often than it was pinned");
          }
          return new Hold(hold.leasedUntilMillis(), hold.pins() - 1);
        });
  }

  private interface HoldChange {
    Hold change(Hold hold);
  }

  private void changeHolds(Collection<Digest> digests, HoldChange change) throws IOException {
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

  @Override
  public boolean delete(Scope scope, Digest digest) throws IOException {
    Lock lock = locks.forRemover(digest);
    lock.lock();
    try {
      Optional<BlobRecord> removed =
          committer.commit(
              0,
              batch -> {
                byte[] key = digest.hashBytes();
                BlobRecord record = batch.record(key);
                Hold hold = batch.hold(key);
                if (record == null
                    || record.sizeBytes() != digest.sizeBytes()
                    || hold.pins() > 0
                    || hold.leasedUntilMillis() > clock.millis()) {
                  return Optional.empty();
                }
                batch.remove(key, record);
                batch.setHold(key, Hold.NONE);
                return Optional.of(record);
              });
      if (isFile(removed)) {
        files.delete(digest);
      }
      return removed.isPresent();
    } finally {
      lock.unlock();
    }
  }

  private static boolean isFile(Optional<BlobRecord> record) {
    return record.filter(r -> r.representation() == Representation.FILE).isPresent();
  }

  private IOException quarantineQuietly(Digest digest, DamagedException damage) {
    try {
      return quarantine(digest, damage);
    } catch (IOException e) {
      CorruptBlobException told = new CorruptBlobException(digest, damage.what());
      told.addSuppressed(e);
      return told;
    }
  }

  /** Leases and pins stay: they are promises about the name, which the next upload keeps again. */
  private CorruptBlobException quarantine(Digest digest, DamagedException damage)
      throws IOException {
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
      if (isFile(removed)) {
        files.quarantine(digest);
      }
      return new CorruptBlobException(digest, damage.what());
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
    try (FileChannel file = openOrDamaged(digest)) {
      for (int i = 0; i < checksums.blocks(); i++) {
        CheckedFileStream.readBlock(file, checksums, digest.sizeBytes(), i, block);
      }
      return true;
    }
  }

  private void touch(List<Digest> used) throws IOException {
    int epoch = epoch();
    if (used.isEmpty() || gate.isShut()) {
      return;
    }
    committer.runLater(
        batch -> {
          for (Digest digest : used) {
            byte[] key = digest.hashBytes();
            BlobRecord record = batch.record(key);
            if (record != null && record.lastUseEpoch() < epoch) {
              batch.replace(key, record.usedIn(epoch));
            }
          }
        });
  }

  private int epoch() {
    return (int) (clock.instant().getEpochSecond() / EPOCH_SECONDS);
  }

  /** What is kept beside the blobs, for an action cache. */
  public ResultTable results() {
    return results;
  }

  @Override
  public Statistics statistics() {
    return committer.statistics();
  }

  /** Waits for writes and reads in the database; open streams of large blobs can be read on. */
  @Override
  public void close() throws IOException {
    if (index.close()) {
      committer.close();
      database.close();
      if (gate.isShut()) {
        // Files may stand there without metadata: the next owner looks.
        directory.abandon();
      } else {
        directory.close();
      }
    }
  }
}
