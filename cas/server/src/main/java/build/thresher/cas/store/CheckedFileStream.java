package build.thresher.cas.store;

import build.thresher.cas.api.BulkInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A range of a large blob, read a block at a time; each block is checked before a byte of it is
 * given out. Used by one thread at a time.
 */
final class CheckedFileStream extends BulkInputStream {
  private final FileBytes file;
  private final BlockChecksums checksums;
  private final long sizeBytes;
  private final OnDamage onDamage;
  private final ByteBuffer block = ByteBuffer.allocate(BlockChecksums.BLOCK_BYTES).limit(0);
  private long position;
  private final long end;

  /** Told of damage; gives what the reader is to see. */
  interface OnDamage {
    IOException damaged(DamagedException damage);
  }

  CheckedFileStream(
      FileBytes file,
      BlockChecksums checksums,
      long sizeBytes,
      long offset,
      long length,
      OnDamage onDamage) {
    this.file = file;
    this.checksums = checksums;
    this.sizeBytes = sizeBytes;
    this.position = offset;
    this.end = offset + length;
    this.onDamage = onDamage;
  }

  @Override
  public int read(byte[] target, int offset, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    if (position == end) {
      return -1;
    }
    if (!block.hasRemaining()) {
      if (position % BlockChecksums.BLOCK_BYTES == 0) {
        int whole = (int) Math.min(BlockChecksums.BLOCK_BYTES, sizeBytes - position);
        if (whole <= length && whole <= end - position) {
          load(ByteBuffer.wrap(target, offset, whole).slice());
          position += whole;
          return whole;
        }
      }
      load(block);
      block.position((int) (position % BlockChecksums.BLOCK_BYTES));
    }
    int n = (int) Math.min(Math.min(length, block.remaining()), end - position);
    block.get(target, offset, n);
    position += n;
    return n;
  }

  private void load(ByteBuffer whole) throws IOException {
    int index = (int) (position / BlockChecksums.BLOCK_BYTES);
    try {
      readBlock(file, checksums, sizeBytes, index, whole);
    } catch (DamagedException e) {
      block.limit(0);
      throw onDamage.damaged(e);
    }
  }

  /** Reads one block into a buffer and checks it. */
  static void readBlock(
      FileBytes file, BlockChecksums checksums, long sizeBytes, int index, ByteBuffer block)
      throws IOException, DamagedException {
    long start = (long) index * BlockChecksums.BLOCK_BYTES;
    block.clear().limit((int) Math.min(BlockChecksums.BLOCK_BYTES, sizeBytes - start));
    while (block.hasRemaining()) {
      if (file.read(block, start + block.position()) < 0) {
        throw new DamagedException(index, "its file is too short");
      }
    }
    block.flip();
    if (!checksums.matches(index, block)) {
      throw new DamagedException(index, "a checksum does not match");
    }
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
