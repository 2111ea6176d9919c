package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.store.v1.PrunedRecord;
import com.google.protobuf.ByteString;
import java.io.IOException;
import java.time.Instant;

/**
 * A spec that was taken out of the mirror and can be put back.
 *
 * @param until its blobs stay until then
 * @param reason why it went, for people
 */
public record Pruned(PublishedSpec spec, Instant at, Instant until, String reason) {

  /** Of archive and spec. */
  public long bytes() {
    return Retention.bytes(spec);
  }

  byte[] toBytes(PublishedRecord published) {
    return PrunedRecord.newBuilder()
        .setPublished(ByteString.copyFrom(published.toBytes()))
        .setPrunedMillis(at.toEpochMilli())
        .setUntilMillis(until.toEpochMilli())
        .setReason(reason)
        .build()
        .toByteArray();
  }

  static Pruned of(byte[] bytes, PublishedRecord published) throws IOException {
    PrunedRecord record = PrunedRecord.parseFrom(bytes);
    return new Pruned(
        published.spec(),
        Instant.ofEpochMilli(record.getPrunedMillis()),
        Instant.ofEpochMilli(record.getUntilMillis()),
        record.getReason());
  }

  static PublishedRecord published(byte[] bytes) throws IOException {
    return PublishedRecord.fromBytes(PrunedRecord.parseFrom(bytes).getPublished().toByteArray());
  }
}
