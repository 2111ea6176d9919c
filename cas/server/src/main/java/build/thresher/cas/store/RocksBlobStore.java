package build.thresher.cas.store;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.ResumableBlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreFullException;
import build.thresher.cas.store.BlobRecord.Representation;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.Lock;
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
public final class RocksBlobStore implements ResumableBlobStore {
  private static final Logger log = LoggerFactory.getLogger(RocksBlobStore.class);

  private final StoreOptions options;
  private final StoreDirectory directory;
  private final WriteGate gate;
  private final Room room;
  private final LargeBlobFiles files;
  private final PartialUploads partial;
  private final Database database;
  private final GroupCommitter committer;
  private final BlobIndex index;
  private final ResultTable results;
  private final LastUse lastUse;
  private final Holds holds;
  private final Removal removal;
  private final Quarantine quarantine;
  private final Eviction eviction;
  private final DigestLocks locks = new DigestLocks();

  private RocksBlobStore(
      StoreOptions options,
      InstantSource clock,
      StoreDirectory directory,
      WriteGate gate,
      Room room,
      LargeBlobFiles files,
      PartialUploads partial,
      Database database,
      GroupCommitter committer) {
    this.options = options;
    this.directory = directory;
    this.gate = gate;
    this.room = room;
    this.files = files;
    this.partial = partial;
    this.database = database;
    this.committer = committer;
    this.lastUse = new LastUse(clock, options.lifetime(), committer, gate);
    NativeReads reads = new NativeReads(options.readThreads());
    this.index = new BlobIndex(database, reads);
    this.results = new ResultTable(database, reads, committer, this::reserve, lastUse::epoch);
    this.holds = new Holds(committer);
    this.removal = new Removal(committer, files, locks, clock);
    this.quarantine = new Quarantine(committer, files, locks, this::isSound);
    Instant now = clock.instant();
    this.eviction =
        new Eviction(
            database,
            committer,
            room,
            lastUse,
            removal,
            partial,
            clock,
            directory.wasClosedCleanly() ? now : now.plus(options.lifetime()));
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
      Room room =
          new Room(
              dir,
              options.reserveBytes(),
              options.maxBytes(),
              () -> committer.statistics().bytes());
      RocksBlobStore store =
          new RocksBlobStore(
              options,
              clock,
              directory,
              gate,
              room,
              files,
              PartialUploads.open(dir, clock),
              database,
              committer);
      if (!directory.wasClosedCleanly()) {
        store.removeOrphans();
      }
      store.eviction.start();
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
          if (record == null || !Removal.isFile(record)) {
            files.delete(digest);
          }
        });
  }

  @Override
  public Set<Digest> findMissing(Scope scope, Collection<Digest> wanted) throws IOException {
    List<Digest> asked = new ArrayList<>(new LinkedHashSet<>(wanted));
    asked.remove(Digest.EMPTY);
    return lastUse.promise(asked, index.records(asked));
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
    if (record.lastUseEpoch() < lastUse.epoch()) {
      lastUse.touch(List.of(digest));
    }
    long wanted = Math.min(length, digest.sizeBytes() - offset);
    try {
      return switch (record.representation()) {
        case INLINE -> index.readInline(digest, (int) offset, (int) wanted);
        case FILE -> openFile(digest, offset, wanted);
      };
    } catch (DamagedException e) {
      throw quarantine.take(digest, e);
    }
  }

  private InputStream openFile(Digest digest, long offset, long length)
      throws IOException, DamagedException {
    BlockChecksums checksums = index.fileChecksums(digest);
    FileChannel file = openOrDamaged(digest);
    return new CheckedFileStream(
        file, checksums, digest.sizeBytes(), offset, length, e -> quarantine.take(digest, e));
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
    Path path = files.newTemporary();
    return largeWriter(digest, path, 0, done -> Files.deleteIfExists(done));
  }

  @Override
  public BlobWriter resume(Scope scope, Digest digest, String upload, long offset)
      throws IOException {
    gate.check();
    if (digest.sizeBytes() < options.largeBlobBytes()) {
      if (offset > 0) {
        throw new IllegalArgumentException("nothing of a small upload is kept; begin at offset 0");
      }
      return write(scope, digest);
    }
    Path path = partial.take(upload);
    boolean opened = false;
    try {
      BlobWriter writer = largeWriter(digest, path, offset, partial::release);
      opened = true;
      return writer;
    } finally {
      if (!opened) {
        partial.release(path);
      }
    }
  }

  @Override
  public long received(String upload) throws IOException {
    return partial.received(upload);
  }

  private BlobWriter largeWriter(
      Digest digest, Path path, long offset, LargeBlobWriter.Ending ending) throws IOException {
    Room.Reservation reservation = reserve(digest.sizeBytes());
    FileChannel file = null;
    boolean opened = false;
    try {
      file = PartialUploads.openAt(path, offset);
      BlobWriter writer =
          new LargeBlobWriter(
              digest,
              path,
              file,
              (whole, at, checksums) -> publish(digest, whole, at, checksums),
              done -> {
                try (reservation) {
                  ending.end(done);
                }
              });
      opened = true;
      return writer;
    } finally {
      if (!opened) {
        reservation.close();
        if (file != null) {
          file.close();
        }
      }
    }
  }

  /** Room for a write; where there is none, what nobody was promised makes it. */
  private Room.Reservation reserve(long bytes) throws IOException {
    try {
      return room.reserve(bytes);
    } catch (StoreFullException e) {
      if (!room.couldHold(bytes)) {
        throw e;
      }
    }
    eviction.makeRoom(bytes);
    return room.reserve(bytes);
  }

  private void publish(Digest digest, FileChannel file, Path temporary, BlockChecksums checksums)
      throws IOException {
    Lock lock = locks.forWriter(digest);
    lock.lock();
    try {
      gate.check();
      BlobRecord record = new BlobRecord(Representation.FILE, digest.sizeBytes(), lastUse.epoch());
      boolean there =
          index.record(digest) != null
              && committer.commit(0, batch -> batch.use(digest.hashBytes(), record.lastUseEpoch()));
      if (there) {
        return;
      }
      files.publish(file, temporary, digest);
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
        BlobRecord record = new BlobRecord(Representation.INLINE, size, lastUse.epoch());
        byte[] value = BlobIndex.inlineValue(blob.bytes());
        small.add(batch -> batch.putIfAbsent(blob.digest().hashBytes(), record, value));
      }
    }
    if (small.isEmpty()) {
      return;
    }
    Room.Reservation reservation = reserve(bytes);
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
    holds.lease(digests, until);
  }

  @Override
  public void pin(Scope scope, Collection<Digest> digests) throws IOException {
    holds.pin(digests);
  }

  @Override
  public void unpin(Scope scope, Collection<Digest> digests) throws IOException {
    holds.unpin(digests);
  }

  @Override
  public boolean delete(Scope scope, Digest digest) throws IOException {
    return removal.remove(List.of(digest), record -> true).blobs() > 0;
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
      eviction.close();
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
