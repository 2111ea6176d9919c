package build.thresher.cas.store;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * What RocksDB says of blobs. Existence checks read the metadata column family and nothing else.
 */
final class BlobIndex {
  private final Database database;
  private final NativeReads reads;
  private final AtomicBoolean closed = new AtomicBoolean();

  BlobIndex(Database database, NativeReads reads) {
    this.database = database;
    this.reads = reads;
  }

  /** Null where there is none, or one of another size. */
  @Nullable BlobRecord record(Digest digest) throws IOException {
    return records(List.of(digest)).getFirst();
  }

  /** The same for many, in their order. */
  List<@Nullable BlobRecord> records(List<Digest> digests) throws IOException {
    if (digests.isEmpty()) {
      return List.of();
    }
    List<byte[]> keys = digests.stream().map(Digest::hashBytes).toList();
    List<byte[]> found =
        reads.call(
            () ->
                database.db.multiGetAsList(
                    java.util.Collections.nCopies(keys.size(), database.metadata), keys));
    List<@Nullable BlobRecord> records = new ArrayList<>(digests.size());
    for (int i = 0; i < digests.size(); i++) {
      byte[] bytes = found.get(i);
      BlobRecord record = bytes == null ? null : MetadataCodec.decodeRecord(bytes);
      records.add(
          record != null && record.sizeBytes() == digests.get(i).sizeBytes() ? record : null);
    }
    return records;
  }

  /** A range of a blob whose bytes stand in the database, checked. */
  InputStream readInline(Digest digest, int offset, int length)
      throws IOException, DamagedException {
    ByteBuffer value = ByteBuffer.wrap(value(digest));
    BlockChecksums checksums =
        BlockChecksums.decode(value, BlockChecksums.blocks(digest.sizeBytes()));
    if (value.remaining() != digest.sizeBytes()) {
      throw new DamagedException(-1, "its value has another size");
    }
    int start = value.position();
    for (int i = 0; i < checksums.blocks(); i++) {
      int from = i * BlockChecksums.BLOCK_BYTES;
      int n = Math.min(BlockChecksums.BLOCK_BYTES, value.remaining() - from);
      if (!checksums.matches(i, value.slice(start + from, n))) {
        throw new DamagedException(i, "a checksum does not match");
      }
    }
    byte[] range = new byte[length];
    value.get(start + offset, range);
    return new ByteArrayInputStream(range);
  }

  BlockChecksums fileChecksums(Digest digest) throws IOException, DamagedException {
    return BlockChecksums.decode(
        ByteBuffer.wrap(value(digest)), BlockChecksums.blocks(digest.sizeBytes()));
  }

  private byte[] value(Digest digest) throws IOException {
    byte @Nullable [] found =
        reads.<byte @Nullable []>call(() -> database.db.get(database.values, digest.hashBytes()));
    if (found == null) {
      // Metadata and value go in one batch, so it was deleted since.
      throw new BlobNotFoundException(digest);
    }
    return found;
  }

  static byte[] inlineValue(byte[] bytes) {
    BlockChecksums checksums = BlockChecksums.of(bytes);
    byte[] value = new byte[BlockChecksums.encodedBytes(checksums.blocks()) + bytes.length];
    ByteBuffer out = ByteBuffer.wrap(value);
    checksums.encode(out);
    out.put(bytes);
    return value;
  }

  static byte[] fileValue(BlockChecksums checksums) {
    byte[] value = new byte[BlockChecksums.encodedBytes(checksums.blocks())];
    checksums.encode(ByteBuffer.wrap(value));
    return value;
  }

  /** Refuses new reads and waits for running ones; false when that was done before. */
  boolean close() {
    if (!closed.compareAndSet(false, true)) {
      return false;
    }
    reads.close();
    return true;
  }
}
