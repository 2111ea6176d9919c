package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.store.v1.PinRecord;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.time.Instant;
import java.util.List;

/**
 * What somebody wants kept, under a name that he chose.
 *
 * @param hashes kept, there or not
 * @param buildHashes kept where build dependencies are
 * @param specs {@code NAME} or {@code NAME@VERSION}: whatever is there of it is kept
 * @param description where it comes from
 */
public record Pin(
    String name,
    ImmutableList<DagHash> hashes,
    ImmutableList<DagHash> buildHashes,
    ImmutableList<String> specs,
    String description,
    Instant since) {

  byte[] toBytes() {
    return PinRecord.newBuilder()
        .addAllHashes(hashes.stream().map(DagHash::text).toList())
        .addAllBuildHashes(buildHashes.stream().map(DagHash::text).toList())
        .addAllSpecs(specs)
        .setDescription(description)
        .setPinnedMillis(since.toEpochMilli())
        .build()
        .toByteArray();
  }

  static Pin fromBytes(String name, byte[] bytes) throws IOException {
    PinRecord record = PinRecord.parseFrom(bytes);
    return new Pin(
        name,
        hashes(record.getHashesList()),
        hashes(record.getBuildHashesList()),
        ImmutableList.copyOf(record.getSpecsList()),
        record.getDescription(),
        Instant.ofEpochMilli(record.getPinnedMillis()));
  }

  private static ImmutableList<DagHash> hashes(List<String> texts) {
    return texts.stream().map(DagHash::new).collect(ImmutableList.toImmutableList());
  }
}
