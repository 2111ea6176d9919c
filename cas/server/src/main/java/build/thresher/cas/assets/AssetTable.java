package build.thresher.cas.assets;

import build.thresher.cas.actions.NamedBlobs;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.store.ResultTable;
import build.thresher.store.v1.AssetRecord;
import com.google.common.collect.Lists;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Pushed assets, beside the results of actions and under the same rule: complete or absent. What an
 * asset names, directories' children included, is in use whenever the asset is; where the pusher
 * said until when it is wanted, it is leased for that long, within a limit.
 *
 * <p>It does not ask whether the caller may push. Threading: any thread; calls block.
 */
public final class AssetTable implements PushedAssets {
  private static final Logger log = LoggerFactory.getLogger(AssetTable.class);

  /** No client fills the store for longer than this; use extends it. */
  private static final Duration LONGEST_LEASE = Duration.ofDays(30);

  private static final int LEASED_TOGETHER = 4_000;

  /** Results of actions have keys that begin with a length, which is never negative. */
  private static final int KEY_PREFIX = -1;

  private final BlobStore blobs;
  private final ResultTable table;
  private final InstantSource clock;

  /**
   * @param blobs holds what assets name
   * @param table where assets are kept; of the same store
   */
  public AssetTable(BlobStore blobs, ResultTable table, InstantSource clock) {
    this.blobs = blobs;
    this.table = table;
    this.clock = clock;
  }

  /**
   * Remembers what these names stand for; it replaces what they stood for before.
   *
   * @param digest of the blob, or of the root directory
   * @throws BlobNotFoundException when something that is named is not in the store; nothing was
   *     remembered
   * @throws IllegalArgumentException when a directory is none
   */
  public void push(
      Scope scope,
      List<Name> names,
      Digest digest,
      List<Digest> referencesBlobs,
      List<Digest> referencesDirectories,
      Optional<Instant> expiresAt)
      throws IOException {
    AssetRecord.Builder record =
        AssetRecord.newBuilder()
            .setDigest(WireDigests.toWire(digest))
            .setPushedMillis(clock.millis())
            .setExpiresMillis(expiresAt.map(Instant::toEpochMilli).orElse(0L));
    referencesBlobs.forEach(one -> record.addReferencesBlobs(WireDigests.toWire(one)));
    referencesDirectories.forEach(one -> record.addReferencesDirectories(WireDigests.toWire(one)));
    Instant longest = clock.instant().plus(LONGEST_LEASE);
    Instant until = expiresAt.filter(longest::isAfter).orElse(longest);
    for (Name name : names) {
      Set<Digest> all = requireAll(scope, name.kind(), record.build());
      if (expiresAt.isPresent()) {
        for (List<Digest> some : Lists.partition(List.copyOf(all), LEASED_TOGETHER)) {
          blobs.lease(scope, some, until);
        }
        table.put(key(scope, name), record.build().toByteArray(), until);
      } else {
        table.put(key(scope, name), record.build().toByteArray());
      }
    }
  }

  @Override
  public Optional<Asset> find(Scope scope, Name name) throws IOException {
    Optional<byte[]> found = table.find(key(scope, name));
    if (found.isEmpty()) {
      return Optional.empty();
    }
    try {
      AssetRecord record = AssetRecord.parseFrom(found.get());
      Optional<Instant> expires =
          Optional.of(record.getExpiresMillis())
              .filter(millis -> millis != 0)
              .map(Instant::ofEpochMilli);
      if (expires.isPresent() && !clock.instant().isBefore(expires.get())) {
        return Optional.empty();
      }
      requireAll(scope, name.kind(), record);
      return Optional.of(
          new Asset(
              WireDigests.fromWire(record.getDigest()),
              Instant.ofEpochMilli(record.getPushedMillis()),
              expires));
    } catch (BlobNotFoundException e) {
      log.info("asset incomplete: {}", e.getMessage());
      return Optional.empty();
    } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
      log.error("asset unreadable", e);
      return Optional.empty();
    }
  }

  private Set<Digest> requireAll(Scope scope, Kind kind, AssetRecord record) throws IOException {
    List<Digest> files = new ArrayList<>();
    List<Digest> directories = new ArrayList<>();
    Digest asset = WireDigests.fromWire(record.getDigest());
    switch (kind) {
      case BLOB -> files.add(asset);
      case DIRECTORY -> directories.add(asset);
    }
    record.getReferencesBlobsList().forEach(one -> files.add(WireDigests.fromWire(one)));
    record
        .getReferencesDirectoriesList()
        .forEach(one -> directories.add(WireDigests.fromWire(one)));
    return NamedBlobs.requireAll(blobs, scope, files, directories);
  }

  /** Every part with its length, so that no two names share a key; hashed, so that it is short. */
  private static byte[] key(Scope scope, Name name) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    write(out, scope.instance());
    write(out, name.kind().name());
    write(out, name.uri());
    for (Map.Entry<String, String> qualifier : name.qualifiers().entrySet()) {
      write(out, qualifier.getKey());
      write(out, qualifier.getValue());
    }
    return ByteBuffer.allocate(Integer.BYTES + Digest.HASH_BYTES)
        .putInt(KEY_PREFIX)
        .put(Digest.of(bytes.toByteArray()).hashBytes())
        .array();
  }

  private static void write(DataOutputStream out, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.writeInt(bytes.length);
    out.write(bytes);
  }
}
