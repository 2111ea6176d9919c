package build.thresher.cas.mirror;

import build.thresher.store.v1.RotationRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Where a change of key stands. What is on disk says it: a next key alone is announced; with a row,
 * it signs, and the row says how far the old manifests are signed anew; a row whose key is in its
 * place is over.
 *
 * @param to fingerprint of the new key
 * @param reached the last DAG hash that is signed anew
 */
record Rotation(String to, String reached) {
  private static final byte[] ROW = "key".getBytes(StandardCharsets.US_ASCII);

  /** The signers of an instance, the one that signs first. */
  static List<Signer> signers(String instance, MirrorDb db, Signers signers) throws IOException {
    Signer current = signers.of(instance);
    Optional<Signer> next = signers.next(instance);
    Rotation rotation = find(instance, db);
    if (next.isEmpty()) {
      if (rotation != null) {
        requireKey(instance, rotation, current);
        end(instance, db);
      }
      return List.of(current);
    }
    if (rotation == null) {
      return List.of(current, next.get());
    }
    requireKey(instance, rotation, next.get());
    return List.of(next.get(), current);
  }

  private static void requireKey(String instance, Rotation rotation, Signer there)
      throws IOException {
    if (!there.fingerprint().equals(rotation.to())) {
      throw new IOException(
          "the key of instance `%s` is being replaced by %s, which is not in its directory; restore that from a backup of the same time as the mirror"
              .formatted(instance, rotation.to()));
    }
  }

  static @Nullable Rotation find(String instance, MirrorDb db) throws IOException {
    byte[] row = db.find(MirrorTable.ROTATIONS, instance, ROW);
    if (row == null) {
      return null;
    }
    RotationRecord record = RotationRecord.parseFrom(row);
    return new Rotation(record.getTo(), record.getReached());
  }

  void put(String instance, MirrorDb.Changes changes) {
    byte[] row = RotationRecord.newBuilder().setTo(to).setReached(reached).build().toByteArray();
    changes.put(MirrorTable.ROTATIONS, instance, ROW, row);
  }

  static void end(String instance, MirrorDb db) throws IOException {
    MirrorDb.Changes changes = db.changes();
    changes.delete(MirrorTable.ROTATIONS, instance, ROW);
    db.write(changes);
  }
}
