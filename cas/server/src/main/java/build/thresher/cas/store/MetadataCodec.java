package build.thresher.cas.store;

import build.thresher.cas.store.BlobRecord.Representation;
import java.io.IOException;
import java.nio.ByteBuffer;

/** The bytes of metadata and hold records, big-endian, each with a version in front. */
final class MetadataCodec {
  private static final byte VERSION = 1;
  private static final int RECORD_BYTES = 2 + Long.BYTES + Integer.BYTES;
  private static final int HOLD_BYTES = 1 + Long.BYTES + Long.BYTES;

  private MetadataCodec() {}

  /**
   * What keeps a blob.
   *
   * @param leasedUntilMillis wall time; 0 for never leased
   */
  record Hold(long leasedUntilMillis, long pins) {
    static final Hold NONE = new Hold(0, 0);

    boolean keeps(long nowMillis) {
      return pins > 0 || leasedUntilMillis > nowMillis;
    }
  }

  static byte[] encode(BlobRecord record) {
    return ByteBuffer.allocate(RECORD_BYTES)
        .put(VERSION)
        .put(record.representation().tag)
        .putLong(record.sizeBytes())
        .putInt(record.lastUseEpoch())
        .array();
  }

  static BlobRecord decodeRecord(byte[] bytes) throws IOException {
    ByteBuffer in = open(bytes, RECORD_BYTES, "a metadata record");
    byte tag = in.get();
    for (Representation representation : Representation.values()) {
      if (representation.tag == tag) {
        return new BlobRecord(representation, in.getLong(), in.getInt());
      }
    }
    throw new IOException(
        "a metadata record has the unknown representation "
            + tag
            + "; the store was written by a newer version");
  }

  static byte[] encode(Hold hold) {
    return ByteBuffer.allocate(HOLD_BYTES)
        .put(VERSION)
        .putLong(hold.leasedUntilMillis())
        .putLong(hold.pins())
        .array();
  }

  static Hold decodeHold(byte[] bytes) throws IOException {
    ByteBuffer in = open(bytes, HOLD_BYTES, "a hold record");
    return new Hold(in.getLong(), in.getLong());
  }

  private static ByteBuffer open(byte[] bytes, int expected, String what) throws IOException {
    if (bytes.length != expected || bytes[0] != VERSION) {
      throw new IOException(
          what
              + " has "
              + bytes.length
              + " bytes"
              + (bytes.length == 0 ? "" : " and version " + bytes[0])
              + "; this version reads "
              + expected
              + " bytes of version "
              + VERSION);
    }
    return ByteBuffer.wrap(bytes, 1, expected - 1);
  }
}
