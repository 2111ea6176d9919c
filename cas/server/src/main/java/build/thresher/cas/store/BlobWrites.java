package build.thresher.cas.store;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.NamingBlobWriter;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.store.BlobRecord.Representation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Writing blobs: verified, then durable, then visible. Small ones go into the database, many with
 * one sync; large ones into files, synced before the database is told. Any thread.
 */
final class BlobWrites {
  private final int largeBlobBytes;
  private final WriteGate gate;
  private final Reserve reserve;
  private final LargeBlobFiles files;
  private final PartialUploads partial;
  private final GroupCommitter committer;
  private final BlobIndex index;
  private final LastUse lastUse;
  private final DigestLocks locks;

  /** Gives room for one write. */
  interface Reserve {
    Room.Reservation reserve(long bytes) throws IOException;
  }

  /**
   * @param largeBlobBytes blobs of at least this size become files
   */
  BlobWrites(
      int largeBlobBytes,
      WriteGate gate,
      Reserve reserve,
      LargeBlobFiles files,
      PartialUploads partial,
      GroupCommitter committer,
      BlobIndex index,
      LastUse lastUse,
      DigestLocks locks) {
    this.largeBlobBytes = largeBlobBytes;
    this.gate = gate;
    this.reserve = reserve;
    this.files = files;
    this.partial = partial;
    this.committer = committer;
    this.index = index;
    this.lastUse = lastUse;
    this.locks = locks;
  }

  BlobWriter write(Digest digest) throws IOException {
    gate.check();
    if (digest.sizeBytes() < largeBlobBytes) {
      return new SmallBlobWriter(digest, blob -> putAll(List.of(blob)));
    }
    return newLargeWriter(digest);
  }

  private BlobWriter newLargeWriter(Digest digest) throws IOException {
    Path path = files.newTemporary();
    return largeWriter(digest.sizeBytes(), digest, path, 0, done -> Files.deleteIfExists(done));
  }

  NamingBlobWriter writeUnnamed(long atMostBytes) throws IOException {
    gate.check();
    Path path = files.newTemporary();
    return largeWriter(atMostBytes, null, path, 0, done -> Files.deleteIfExists(done));
  }

  private SequentialFile openAt(Path path, long offset) throws StoreUnavailableException {
    try {
      return offset == 0
          ? files.create(path)
          : new SequentialFile(path, PartialUploads.openAt(path, offset), null);
    } catch (IOException e) {
      throw new StoreUnavailableException("there is no file for the upload: " + e.getMessage(), e);
    }
  }

  BlobWriter resume(Digest digest, String upload, long offset) throws IOException {
    gate.check();
    if (digest.sizeBytes() < largeBlobBytes) {
      if (offset > 0) {
        throw new IllegalArgumentException("nothing of a small upload is kept; begin at offset 0");
      }
      return write(digest);
    }
    Path path = partial.take(upload);
    boolean opened = false;
    try {
      BlobWriter writer = largeWriter(digest.sizeBytes(), digest, path, offset, partial::release);
      opened = true;
      return writer;
    } finally {
      if (!opened) {
        partial.release(path);
      }
    }
  }

  private NamingBlobWriter largeWriter(
      long atMostBytes,
      @Nullable Digest expected,
      Path path,
      long offset,
      LargeBlobWriter.Ending ending)
      throws IOException {
    Room.Reservation reservation = reserve.reserve(atMostBytes);
    SequentialFile file = null;
    boolean opened = false;
    try {
      file = openAt(path, offset);
      LargeBlobWriter writer =
          new LargeBlobWriter(
              atMostBytes,
              expected,
              path,
              file,
              this::publish,
              done -> {
                try (reservation) {
                  ending.end(done);
                }
              });
      if (offset > 0) {
        writer.readBack();
      }
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

  private void publish(Digest digest, FileChannel file, Path temporary, BlockChecksums checksums)
      throws IOException {
    if (digest.sizeBytes() < largeBlobBytes) {
      putAll(List.of(new Blob(digest, Files.readAllBytes(temporary))));
      return;
    }
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

  void putAll(List<Blob> blobs) throws IOException {
    gate.check();
    for (Blob blob : blobs) {
      Digest actual = Digest.of(blob.bytes());
      if (!actual.equals(blob.digest())) {
        throw new DigestMismatchException(blob.digest(), actual.toString());
      }
    }
    int epoch = lastUse.epoch();
    long smallBytes = 0;
    List<GroupCommitter.Mutation> small = new ArrayList<>(blobs.size());
    for (Blob blob : blobs) {
      long size = blob.digest().sizeBytes();
      if (size >= largeBlobBytes) {
        try (BlobWriter writer = newLargeWriter(blob.digest())) {
          writer.write(ByteBuffer.wrap(blob.bytes()));
          writer.commit();
        }
      } else if (size > 0) {
        smallBytes += size;
        BlobRecord record = new BlobRecord(Representation.INLINE, size, epoch);
        byte[] value = BlobIndex.inlineValue(blob.bytes());
        small.add(batch -> batch.putIfAbsent(blob.digest().hashBytes(), record, value));
      }
    }
    if (small.isEmpty()) {
      return;
    }
    try (Room.Reservation reserved = reserve.reserve(smallBytes)) {
      committer.run(
          smallBytes,
          batch -> {
            for (GroupCommitter.Mutation put : small) {
              put.apply(batch);
            }
          });
    }
    for (Blob blob : blobs) {
      if (blob.digest().sizeBytes() < largeBlobBytes) {
        lastUse.lately().add(blob.digest(), epoch);
      }
    }
  }
}
