package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * When each spec was used last: its manifest was read, or a build found it there. In hours, because
 * it is asked for in days, and written later, because a crash may make a spec look older by what
 * was not written, and not more.
 *
 * <p>Threading: any thread.
 */
final class UsedSpecs {
  private static final long HOUR_SECONDS = 3600;
  private static final byte[] SINCE = "since".getBytes(StandardCharsets.US_ASCII);

  private final MirrorDb db;
  private final InstantSource clock;
  private final ConcurrentHashMap<Key, Long> hours = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<String, Long> since = new ConcurrentHashMap<>();
  private final Set<Key> unwritten = ConcurrentHashMap.newKeySet();

  private record Key(String instance, DagHash hash) {}

  private UsedSpecs(MirrorDb db, InstantSource clock) {
    this.db = db;
    this.clock = clock;
  }

  static UsedSpecs load(MirrorDb db, InstantSource clock) throws IOException {
    UsedSpecs used = new UsedSpecs(db, clock);
    db.eachRow(
        MirrorTable.USED,
        (instance, name, value) -> {
          long hour = ByteBuffer.wrap(value).getLong();
          if (name.length == DagHash.LENGTH) {
            DagHash hash = new DagHash(new String(name, StandardCharsets.US_ASCII));
            used.hours.put(new Key(instance, hash), hour);
          } else {
            used.since.put(instance, hour);
          }
        });
    return used;
  }

  /** What was used before anybody took note counts as used at this time. */
  void begin(String instance) throws IOException {
    if (!since.containsKey(instance)) {
      MirrorDb.Changes changes = db.changes();
      changes.put(MirrorTable.USED, instance, SINCE, bytes(hour()));
      db.write(changes);
      since.put(instance, hour());
    }
  }

  /** Costs a look at a table, once in an hour a bit more. */
  void touch(String instance, DagHash hash) {
    Key key = new Key(instance, hash);
    Long now = hour();
    if (!now.equals(hours.put(key, now))) {
      unwritten.add(key);
    }
  }

  /** At the latest; the end of the hour. */
  Instant lastUse(String instance, DagHash hash) {
    long hour = hours.getOrDefault(new Key(instance, hash), since.getOrDefault(instance, hour()));
    return Instant.ofEpochSecond((hour + 1) * HOUR_SECONDS);
  }

  /** Durable on return. */
  void write() throws IOException {
    MirrorDb.Changes changes = db.changes();
    Set<Key> now = Set.copyOf(unwritten);
    for (Key key : now) {
      unwritten.remove(key);
      Long hour = hours.get(key);
      if (hour != null) {
        changes.put(MirrorTable.USED, key.instance(), MirrorDb.name(key.hash()), bytes(hour));
      }
    }
    if (!now.isEmpty()) {
      db.write(changes);
    }
  }

  /** The spec is gone. */
  void forget(String instance, DagHash hash, MirrorDb.Changes changes) {
    hours.remove(new Key(instance, hash));
    changes.delete(MirrorTable.USED, instance, MirrorDb.name(hash));
  }

  private long hour() {
    return clock.instant().getEpochSecond() / HOUR_SECONDS;
  }

  private static byte[] bytes(long hour) {
    return ByteBuffer.allocate(Long.BYTES).putLong(hour).array();
  }
}
