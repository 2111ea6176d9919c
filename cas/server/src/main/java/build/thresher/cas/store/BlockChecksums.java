package build.thresher.cas.store;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * CRC32C of each 64 KiB of a blob, so that a range can be checked without reading the rest. Built
 * while the bytes pass; the encoded form guards itself with one more checksum.
 */
final class BlockChecksums {
  static final int BLOCK_BYTES = 64 << 10;

  private final int[] checksums;

  private BlockChecksums(int[] checksums) {
    this.checksums = checksums;
  }

  static BlockChecksums of(byte[] bytes) {
    Builder builder = new Builder();
    builder.update(ByteBuffer.wrap(bytes));
    return builder.build();
  }

  /** Blocks in a blob of this size. */
  static int blocks(long sizeBytes) {
    return Math.toIntExact((sizeBytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
  }

  int blocks() {
    return checksums.length;
  }

  boolean matches(int block, ByteBuffer bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes.duplicate());
    return (int) crc.getValue() == checksums[block];
  }

  static int encodedBytes(int blocks) {
    return (blocks + 1) * Integer.BYTES;
  }

  void encode(ByteBuffer out) {
    ByteBuffer table = out.duplicate();
    for (int checksum : checksums) {
      out.putInt(checksum);
    }
    out.putInt(guard(table, checksums.length));
  }

  /**
   * @throws DamagedException when the table is not the one that was encoded
   */
  static BlockChecksums decode(ByteBuffer in, int blocks) throws DamagedException {
    if (in.remaining() < encodedBytes(blocks)) {
      throw new DamagedException(-1, "its table of checksums is too short");
    }
    ByteBuffer table = in.duplicate();
    int[] checksums = new int[blocks];
    for (int i = 0; i < blocks; i++) {
      checksums[i] = in.getInt();
    }
    if (in.getInt() != guard(table, blocks)) {
      throw new DamagedException(-1, "its table of checksums is damaged");
    }
    return new BlockChecksums(checksums);
  }

  private static int guard(ByteBuffer table, int blocks) {
    CRC32C crc = new CRC32C();
    crc.update(table.slice(table.position(), blocks * Integer.BYTES));
    return (int) crc.getValue();
  }

  /** Takes the bytes in order, cut anyhow. */
  static final class Builder {
    private final CRC32C crc = new CRC32C();
    private int[] checksums = new int[4];
    private int full;
    private int inBlock;

    void update(ByteBuffer bytes) {
      ByteBuffer rest = bytes.duplicate();
      while (rest.hasRemaining()) {
        int n = Math.min(rest.remaining(), BLOCK_BYTES - inBlock);
        crc.update(rest.slice(rest.position(), n));
        rest.position(rest.position() + n);
        inBlock += n;
        if (inBlock == BLOCK_BYTES) {
          endBlock();
        }
      }
    }

    BlockChecksums build() {
      if (inBlock > 0) {
        endBlock();
      }
      return new BlockChecksums(Arrays.copyOf(checksums, full));
    }

    private void endBlock() {
      if (full == checksums.length) {
        checksums = Arrays.copyOf(checksums, 2 * full);
      }
      checksums[full++] = (int) crc.getValue();
      crc.reset();
      inBlock = 0;
    }
  }
}
