package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The index blobs of all instances that no manifest names any more. Whoever read a manifest before
 * can read its index for {@link MirrorOptions#indexRetention}, while all of them together take no
 * more than {@link MirrorOptions#supersededBytes}: beyond that the oldest go, but none before
 * {@link #youth}; until then the next index waits.
 *
 * <p>Each index is noted in the database before it is stored, so that none outlives a crash for
 * ever. Threading: any thread; who makes room has to wait for others who do.
 */
final class SupersededIndices {
  private final MirrorDb db;
  private final BlobStore blobs;
  private final MirrorOptions options;
  private final InstantSource clock;
  private final ConcurrentHashMap<Key, Superseded> all = new ConcurrentHashMap<>();
  private final ReentrantLock makingRoom = new ReentrantLock();

  SupersededIndices(MirrorDb db, BlobStore blobs, MirrorOptions options, InstantSource clock) {
    this.db = db;
    this.blobs = blobs;
    this.options = options;
    this.clock = clock;
  }

  /** Paths name a blob by its hash alone. */
  private record Key(String instance, Digest name) {}

  private record Superseded(Digest digest, Instant since, Instant until) {}

  /** For so long an index can be read whatever comes after it. */
  Duration youth() {
    return options.indexRetention().dividedBy(30);
  }

  /** An index of before the last stop. */
  void restore(String instance, Digest index, Instant until) {
    put(instance, new Superseded(index, until.minus(options.indexRetention()), until));
  }

  private void put(String instance, Superseded index) {
    all.put(new Key(instance, MirrorIndex.nameOf(index.digest())), index);
  }

  /** This one will be stored. */
  void note(String instance, Digest index) throws IOException {
    db.putIndex(instance, index, clock.instant().plus(options.indexRetention()));
  }

  /** This one is named by no manifest from now on. */
  void add(String instance, Digest index) throws IOException {
    Instant now = clock.instant();
    Superseded old = new Superseded(index, now, now.plus(options.indexRetention()));
    db.putIndex(instance, index, old.until());
    put(instance, old);
  }

  /** This one is named by a manifest again. */
  void remove(String instance, Digest index) {
    all.remove(new Key(instance, MirrorIndex.nameOf(index)));
  }

  @Nullable Digest find(String instance, Digest name) {
    Superseded index = all.get(new Key(instance, name));
    return index == null || clock.instant().isAfter(index.until()) ? null : index.digest();
  }

  /** Lets go of those whose time is over. */
  void expire() throws IOException {
    makingRoom.lock();
    try {
      dropOld();
    } finally {
      makingRoom.unlock();
    }
  }

  /** Returns when there is room for one of this size. */
  void makeRoom(long bytes) throws IOException {
    makingRoom.lock();
    try {
      dropOld();
      Optional<Key> oldest = oldest();
      while (oldest.isPresent() && heldBytes() + bytes > options.supersededBytes()) {
        Superseded index = all.get(oldest.get());
        if (index != null) {
          sleep(Duration.between(clock.instant(), index.since().plus(youth())));
          drop(oldest.get(), index);
        }
        oldest = oldest();
      }
    } finally {
      makingRoom.unlock();
    }
  }

  private void dropOld() throws IOException {
    Instant now = clock.instant();
    for (var each : all.entrySet()) {
      if (now.isAfter(each.getValue().until())) {
        drop(each.getKey(), each.getValue());
      }
    }
  }

  /** Readers that have it open finish. */
  private void drop(Key key, Superseded index) throws IOException {
    if (all.remove(key, index)) {
      blobs.delete(Scope.farm(key.instance()), index.digest());
      db.removeIndex(key.instance(), index.digest());
    }
  }

  private long heldBytes() {
    return all.values().stream().mapToLong(i -> i.digest().sizeBytes()).sum();
  }

  private Optional<Key> oldest() {
    return all.entrySet().stream()
        .min(Comparator.comparing(each -> each.getValue().since()))
        .map(each -> each.getKey());
  }

  private static void sleep(Duration rest) throws IOException {
    if (rest.isPositive()) {
      try {
        Thread.sleep(rest);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted while there was no room for an index");
      }
    }
  }
}
