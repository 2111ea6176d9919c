package build.thresher.cas.mirror;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the records of a RocksDB journal end. It consists of blocks of 32 KiB; a record lies in one
 * or in several fragments, each behind a checksum (4 bytes), its length (2) and its kind (1). What
 * is left of a block that has no room for that is not used.
 */
final class JournalRecords {
  private static final int BLOCK_BYTES = 32 << 10;
  private static final int HEADER_BYTES = 7;
  private static final int FIRST = 2;
  private static final int MIDDLE = 3;

  private JournalRecords() {}

  /** Positions just behind each whole record. */
  static List<Long> ends(byte[] journal) {
    ByteBuffer in = ByteBuffer.wrap(journal).order(ByteOrder.LITTLE_ENDIAN);
    List<Long> ends = new ArrayList<>();
    int at = 0;
    while (true) {
      int left = BLOCK_BYTES - at % BLOCK_BYTES;
      if (left < HEADER_BYTES) {
        at += left;
      }
      if (at + HEADER_BYTES > journal.length) {
        return ends;
      }
      int kind = in.get(at + 6);
      at += HEADER_BYTES + Short.toUnsignedInt(in.getShort(at + 4));
      if (kind != FIRST && kind != MIDDLE) {
        ends.add((long) at);
      }
    }
  }
}
