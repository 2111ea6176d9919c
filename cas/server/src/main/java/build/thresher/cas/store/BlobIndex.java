package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.store.BlobRecord.Representation;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;

/**
 * What RocksDB says of blobs. Existence checks read the metadata column family and nothing else.
 */
final class BlobIndex {
  /** More are looked up by several threads at once, each this many. */
  private static final int LOOKED_UP_TOGETHER = 1_000;

  /** So many are looked for in memory first. */
  private static final int FEW = 16;

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
    List<byte @Nullable []> found = null;
    if (digests.size() <= FEW) {
      found =
          reads.getFromMemory(database.metadata, digests.stream().map(Digest::hashBytes).toList());
    }
    if (found == null) {
      found = lookUp(digests);
    }
    List<@Nullable BlobRecord> records = new ArrayList<>(digests.size());
    for (int i = 0; i < digests.size(); i++) {
      records.add(record(digests.get(i), found.get(i)));
    }
    return records;
  }

  private List<byte @Nullable []> lookUp(List<Digest> digests) throws IOException {
    List<Callable<List<byte[]>>> lookups = new ArrayList<>();
    for (List<Digest> some : Lists.partition(digests, LOOKED_UP_TOGETHER)) {
      List<byte[]> keys = some.stream().map(Digest::hashBytes).toList();
      List<ColumnFamilyHandle> families = Collections.nCopies(keys.size(), database.metadata);
      lookups.add(() -> database.db.multiGetAsList(families, keys));
    }
    List<byte @Nullable []> found = new ArrayList<>(digests.size());
    reads.callAll(lookups).forEach(found::addAll);
    return found;
  }

  /**
   * What the database has of a blob.
   *
   * @param value its checksums, and behind them the bytes where it is inline
   */
  record Stored(BlobRecord record, ByteBuffer value) {}

  /** Record and value of many blobs, in their order; null where there is none. */
  List<@Nullable Stored> stored(List<Digest> digests) throws IOException {
    return stored(digests, digest -> false, 0);
  }

  /**
   * The same with fewer look-ups: that a value is there, and its length, say all that the record of
   * an inline blob does but for its last use.
   *
   * @param known inline blobs, most likely, that were used in this epoch
   */
  List<@Nullable Stored> stored(List<Digest> digests, Predicate<Digest> known, int epoch)
      throws IOException {
    int count = digests.size();
    BitSet withRecord = new BitSet(count);
    List<ColumnFamilyHandle> families =
        new ArrayList<>(Collections.nCopies(count, database.values));
    List<byte[]> keys = new ArrayList<>(2 * count);
    for (Digest digest : digests) {
      keys.add(digest.hashBytes());
    }
    for (int i = 0; i < count; i++) {
      if (!known.test(digests.get(i))) {
        withRecord.set(i);
        families.add(database.metadata);
        keys.add(keys.get(i));
      }
    }
    List<byte[]> found = reads.call(() -> database.db.multiGetAsList(families, keys));
    Iterator<byte[]> records = found.subList(count, found.size()).iterator();
    List<@Nullable Stored> stored = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      Digest digest = digests.get(i);
      byte[] value = found.get(i);
      if (withRecord.get(i)) {
        stored.add(stored(digest, records.next(), value));
      } else if (value != null && isInline(digest, value.length)) {
        BlobRecord record = new BlobRecord(Representation.INLINE, digest.sizeBytes(), epoch);
        stored.add(new Stored(record, ByteBuffer.wrap(value)));
      } else {
        stored.add(stored(List.of(digest)).getFirst());
      }
    }
    return stored;
  }

  private @Nullable Stored stored(
      Digest digest, byte @Nullable [] recordBytes, byte @Nullable [] value) throws IOException {
    BlobRecord record = record(digest, recordBytes);
    if (record != null && value == null) {
      value = unreadable(digest);
    }
    // Both go in one batch: where the value is gone, the blob was removed just now.
    return record == null || value == null ? null : new Stored(record, ByteBuffer.wrap(value));
  }

  private static boolean isInline(Digest digest, int valueBytes) {
    long size = digest.sizeBytes();
    return size < valueBytes
        && valueBytes - size == BlockChecksums.encodedBytes(BlockChecksums.blocks(size));
  }

  /**
   * A value that many were asked for together with: the library gives nothing for one that is
   * damaged either. No bytes, which no blob has, where it is; null where there is none.
   */
  private byte @Nullable [] unreadable(Digest digest) throws IOException {
    try {
      return reads.<byte @Nullable []>call(
          () -> database.db.get(database.values, digest.hashBytes()));
    } catch (IOException e) {
      if (e.getCause() instanceof RocksDBException cause
          && cause.getStatus() != null
          && cause.getStatus().getCode() == Status.Code.Corruption) {
        return new byte[0];
      }
      throw e;
    }
  }

  private static @Nullable BlobRecord record(Digest digest, byte @Nullable [] bytes)
      throws IOException {
    BlobRecord record = bytes == null ? null : MetadataCodec.decodeRecord(bytes);
    return record != null && record.sizeBytes() == digest.sizeBytes() ? record : null;
  }

  /** A range of a blob whose bytes stand in the database, checked. */
  static byte[] inline(Digest digest, ByteBuffer value, int offset, int length)
      throws DamagedException {
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
    return range;
  }

  static BlockChecksums fileChecksums(Digest digest, ByteBuffer value) throws DamagedException {
    return BlockChecksums.decode(value, BlockChecksums.blocks(digest.sizeBytes()));
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
