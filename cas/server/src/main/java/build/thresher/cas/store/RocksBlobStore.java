package build.thresher.cas.store;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.NamingBlobStore;
import build.thresher.cas.api.NamingBlobWriter;
import build.thresher.cas.api.ResumableBlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreFullException;
import com.google.common.collect.Multiset;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.rocksdb.RocksDBException;
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
 * <p>Threading: any number of threads; calls block. RocksDB is asked through {@link NativeReads}
 * and written by the one of {@link GroupCommitter}. Locks: {@link DigestLocks}, held while a large
 * blob's file and metadata change together.
 */
public final class RocksBlobStore implements ResumableBlobStore, NamingBlobStore {
  private static final Logger log = LoggerFactory.getLogger(RocksBlobStore.class);

  private final StoreDirectory directory;
  private final WriteGate gate;
  private final Room room;
  private final PartialUploads partial;
  private final Database database;
  private final GroupCommitter committer;
  private final BlobIndex index;
  private final LastUse lastUse;
  private final BlobReads reads;
  private final BlobWrites writes;
  private final ResultTable results;
  private final Holds holds;
  private final Removal removal;
  private final Compaction compaction;
  private final Eviction eviction;
  private final Scrubber scrubber;

  private RocksBlobStore(
      StoreOptions options,
      InstantSource clock,
      StoreDirectory directory,
      WriteGate gate,
      LargeBlobFiles files,
      PartialUploads partial,
      Database database,
      GroupCommitter committer,
      Room room) {
    this.directory = directory;
    this.gate = gate;
    this.room = room;
    this.partial = partial;
    this.database = database;
    this.committer = committer;
    DigestLocks locks = new DigestLocks();
    NativeReads nativeReads = new NativeReads(database.db, options.readThreads());
    lastUse = new LastUse(clock, options.lifetime(), committer, gate);
    index = new BlobIndex(database, nativeReads);
    Quarantine quarantine = new Quarantine(committer, index, files, locks);
    reads = new BlobReads(index, files, lastUse, quarantine);
    scrubber =
        new Scrubber(
            database, quarantine, options.scrubBytesPerSecond(), (byte) (clock.millis() / 1_000));
    writes =
        new BlobWrites(
            options.largeBlobBytes(),
            gate,
            this::reserve,
            files,
            partial,
            committer,
            index,
            lastUse,
            locks);
    results = new ResultTable(database, nativeReads, committer, this::reserve, lastUse);
    holds = new Holds(committer, database);
    removal = new Removal(committer, files, locks, clock);
    compaction = new Compaction(database);
    Instant now = clock.instant();
    eviction =
        new Eviction(
            database,
            committer,
            room,
            lastUse,
            removal,
            compaction,
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
    RocksBlobStore store = null;
    boolean opened = false;
    try {
      WriteGate gate = new WriteGate();
      LargeBlobFiles files = LargeBlobFiles.open(dir, disk, gate, options.direct());
      PartialUploads partial = PartialUploads.open(dir, clock);
      database = Database.open(dir.resolve("db"), options);
      GroupCommitter committer = new GroupCommitter(database, disk, gate);
      Room room =
          new Room(
              dir,
              options.reserveBytes(),
              options.maxBytes(),
              () -> committer.statistics().bytes(),
              System::nanoTime);
      store =
          new RocksBlobStore(
              options, clock, directory, gate, files, partial, database, committer, room);
      if (!directory.wasClosedCleanly()) {
        store.removeOrphans(files);
      }
      store.compaction.freed(database.deadValueBytes()); // in earlier lives
      store.eviction.start();
      store.scrubber.start();
      opened = true;
      Statistics held = store.statistics();
      log.info("store open dir={} blobs={} bytes={}", dir, held.blobs(), held.bytes());
      return store;
    } finally {
      if (!opened) {
        if (store != null) {
          store.end();
        } else if (database != null) {
          database.close();
        }
        directory.abandon();
      }
    }
  }

  /** Files that were renamed into place when a crash came before their metadata. */
  private void removeOrphans(LargeBlobFiles files) throws IOException {
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
    return reads.read(digest, offset, length);
  }

  @Override
  public byte[] readAll(Scope scope, Digest digest) throws IOException {
    return reads.readAll(List.of(digest)).getFirst().bytes();
  }

  @Override
  public List<Blob> readAll(Scope scope, List<Digest> digests) throws IOException {
    return reads.readAll(digests);
  }

  @Override
  public BlobWriter write(Scope scope, Digest digest) throws IOException {
    return writes.write(digest);
  }

  @Override
  public NamingBlobWriter writeUnnamed(Scope scope, long atMostBytes) throws IOException {
    return writes.writeUnnamed(atMostBytes);
  }

  @Override
  public BlobWriter resume(Scope scope, Digest digest, String upload, long offset)
      throws IOException {
    return writes.resume(digest, upload, offset);
  }

  @Override
  public long received(String upload) throws IOException {
    return partial.received(upload);
  }

  @Override
  public void putAll(Scope scope, List<Blob> blobs) throws IOException {
    writes.putAll(blobs);
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

  /** Whether the last owner ended without closing it. */
  public boolean isAfterCrash() {
    return !directory.wasClosedCleanly();
  }

  /**
   * Takes away what pins a blob more often than it is named. Nobody may pin or unpin meanwhile.
   *
   * @param named blobs by their hash alone, of size 0
   * @return how many blobs had such pins
   */
  public int dropPinsBeyond(Multiset<Digest> named) throws IOException {
    return holds.dropPinsBeyond(named);
  }

  @Override
  public boolean delete(Scope scope, Digest digest) throws IOException {
    Removal.Removed removed = removal.remove(List.of(digest), record -> true);
    compaction.freed(removed.inlineBytes());
    return removed.blobs() > 0;
  }

  /** What is kept beside the blobs, for an action cache. */
  public ResultTable results() {
    return results;
  }

  @Override
  public Statistics statistics() {
    return committer.statistics();
  }

  /** False from the first failed sync on: what was written is served, nothing new is taken. */
  public boolean takesWrites() {
    return !gate.isShut();
  }

  /** Looks for damage in everything, as fast as it goes. */
  Scrubber.Round scrub() throws IOException, RocksDBException {
    return scrubber.everything();
  }

  /** Waits for writes and reads in the database; open streams of large blobs can be read on. */
  @Override
  public void close() throws IOException {
    if (end()) {
      if (gate.isShut()) {
        // Files may stand there without metadata: the next owner looks.
        directory.abandon();
      } else {
        directory.close();
      }
    }
  }

  /** Ends all threads, then the database that they use; false when that was done before. */
  private boolean end() {
    scrubber.close();
    if (!index.close()) {
      return false;
    }
    eviction.close();
    compaction.close();
    committer.close();
    database.close();
    return true;
  }
}
