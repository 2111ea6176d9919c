package build.thresher.cas.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.actions.CompleteActionCache;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreFullException;
import com.google.common.collect.Multiset;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * One walk: a real store and its action cache, with room for a third of what is put there, and a
 * {@link PromisesModel} beside them, which sees the same calls. Each answer is compared; after each
 * step that may evict, everything that is owed is asked for, in a way that uses nothing.
 */
final class PromisesWalk implements AutoCloseable {
  private static final Scope SCOPE = Scope.farm("");
  private static final Duration LIFETIME = Duration.ofHours(3);
  private static final long MAX_BYTES = 250_000;
  private static final int MOST_PINNED = 12;

  private final Random random;
  private final Path dir;
  private final Multiset<String> counts;
  private final Universe universe;
  private final Map<Digest, Blob> blobs;
  private final List<Blob> all;
  private final PromisesModel model =
      new PromisesModel(LIFETIME, Instant.parse("2026-01-01T00:30:00Z"));
  private final List<List<Digest>> pinned = new ArrayList<>();
  private RocksBlobStore store;
  private CompleteActionCache cache;
  private Instant nothingIsEvictedBefore = Instant.MIN;

  /** The more happens in a lifetime, the more the store has to refuse. */
  private int paceSeconds = 100;

  PromisesWalk(Path dir, long seed, Multiset<String> counts) throws IOException {
    this.dir = dir;
    this.counts = counts;
    random = new Random(seed);
    universe = new Universe(seed);
    blobs =
        Stream.concat(
                universe.leaves().stream(),
                universe.results().stream().flatMap(result -> result.closure().stream()))
            .distinct()
            .collect(Collectors.toMap(Blob::digest, blob -> blob, (a, b) -> a));
    all = List.copyOf(blobs.values());
    store = open();
    cache = new CompleteActionCache(store, store.results());
  }

  private RocksBlobStore open() throws IOException {
    return RocksBlobStore.open(
        dir,
        StoreOptions.DEFAULTS
            .withReserveBytes(0)
            .withLargeBlobBytes(4 << 10)
            .withScrubBytesPerSecond(0)
            .withMaxBytes(MAX_BYTES)
            .withLifetime(LIFETIME),
        model::now,
        new Unsynced());
  }

  void run(int steps) throws IOException {
    for (int i = 0; i < steps; i++) {
      model.pass(Duration.ofSeconds(10 + random.nextInt(paceSeconds)));
      if (random.nextInt(300) == 0) {
        // What reads noted is written by and by, with the hour of then: not with one far ahead.
        store.lease(SCOPE, List.of(), Instant.EPOCH);
        model.pass(Duration.ofHours(random.nextInt(12)));
        paceSeconds = 1 + random.nextInt(300);
      }
      if (step()) {
        // A lease that ended long ago changes nothing, but fails where one of them is not there.
        store.lease(SCOPE, model.owed(), Instant.EPOCH);
      }
      assertTrue(store.statistics().bytes() <= MAX_BYTES, "more than the store's size");
    }
    for (Digest digest : model.owed()) {
      assertArrayEquals(
          Objects.requireNonNull(blobs.get(digest)).bytes(), store.readAll(SCOPE, digest));
    }
  }

  /** True where the store may have had to evict. */
  private boolean step() throws IOException {
    int die = random.nextInt(1_000);
    if (die < 200) {
      put();
    } else if (die < 290) {
      putResult();
    } else if (die < 292) {
      restart();
    } else {
      use(random.nextInt(700));
      return false;
    }
    return true;
  }

  private void use(int die) throws IOException {
    if (die < 200) {
      findMissing();
    } else if (die < 400) {
      read();
    } else if (die < 500) {
      findResult();
    } else if (die < 560) {
      lease();
    } else if (die < 610) {
      pin();
    } else if (die < 670) {
      unpin();
    } else {
      delete();
    }
  }

  private Blob any() {
    return all.get(random.nextInt(all.size()));
  }

  private Universe.Result anyResult() {
    return universe.results().get(random.nextInt(universe.results().size()));
  }

  /** Blobs by themselves, or all that a result names. */
  private List<Digest> some(int atMost) {
    if (random.nextBoolean()) {
      return anyResult().digests();
    }
    Set<Digest> some = new LinkedHashSet<>();
    for (int i = 1 + random.nextInt(atMost); i > 0; i--) {
      some.add(any().digest());
    }
    return List.copyOf(some);
  }

  private void put() throws IOException {
    List<Blob> some = some(4).stream().map(blobs::get).toList();
    put(some);
  }

  private boolean put(List<Blob> some) throws IOException {
    long bytes = some.stream().mapToLong(blob -> blob.digest().sizeBytes()).sum();
    try {
      store.putAll(SCOPE, some);
    } catch (StoreFullException e) {
      List<Digest> digests = some.stream().map(Blob::digest).toList();
      model.used(digests); // Those that are there may have been used before the refusal.
      refused(bytes, e);
      Set<Digest> missing = store.findMissing(SCOPE, digests);
      for (Digest digest : digests) {
        if (missing.contains(digest)) {
          model.absent(digest);
        } else {
          model.reported(digest); // Those before the one that had no room may have been stored.
        }
      }
      return false;
    }
    some.forEach(blob -> model.reported(blob.digest()));
    counts.add("put");
    return true;
  }

  /** Refusing is for stores that are full of what they promised. */
  private void refused(long bytes, StoreFullException refusal) {
    counts.add("refused for want of room");
    if (!model.now().isBefore(nothingIsEvictedBefore) && model.keptBytes() + bytes <= MAX_BYTES) {
      throw new AssertionError(
          "refused %d bytes, though no more than %d of %d need to be kept"
              .formatted(bytes, model.keptBytes(), MAX_BYTES),
          refusal);
    }
  }

  private void findMissing() throws IOException {
    List<Digest> asked = some(20);
    Set<Digest> missing = store.findMissing(SCOPE, asked);
    for (Digest digest : asked) {
      if (missing.contains(digest)) {
        model.absent(digest);
      } else {
        isThere(digest);
        model.reported(digest);
        counts.add("reported");
      }
    }
  }

  private void isThere(Digest digest) {
    assertTrue(model.mayBeThere(digest), () -> digest + " is there, but nobody put it");
  }

  private void read() throws IOException {
    Blob blob = any();
    try {
      byte[] bytes = store.readAll(SCOPE, blob.digest());
      assertArrayEquals(blob.bytes(), bytes);
      isThere(blob.digest());
      model.used(List.of(blob.digest()));
      counts.add("read");
    } catch (BlobNotFoundException e) {
      model.absent(blob.digest());
      counts.add("read in vain");
    }
  }

  private void lease() throws IOException {
    List<Digest> some = some(6);
    Instant until = model.now().plus(Duration.ofMinutes(random.nextInt(1_000)));
    if (holds(some, () -> store.lease(SCOPE, some, until))) {
      model.leased(some, until);
      counts.add("leased");
    }
  }

  private void pin() throws IOException {
    List<Digest> some = some(6);
    if (pinned.size() < MOST_PINNED && holds(some, () -> store.pin(SCOPE, some))) {
      model.pinned(some, 1);
      pinned.add(some);
      counts.add("pinned");
    }
  }

  private interface Hold {
    void take() throws IOException;
  }

  /** All of them, or none where one is absent. */
  private boolean holds(Collection<Digest> some, Hold hold) throws IOException {
    try {
      hold.take();
      some.forEach(this::isThere);
      return true;
    } catch (BlobNotFoundException e) {
      model.absent(e.digest());
      return false;
    }
  }

  private void unpin() throws IOException {
    if (!pinned.isEmpty()) {
      List<Digest> some = pinned.remove(random.nextInt(pinned.size()));
      store.unpin(SCOPE, some);
      model.pinned(some, -1);
    }
  }

  private void delete() throws IOException {
    Digest digest = any().digest();
    boolean gone = store.delete(SCOPE, digest);
    if (gone) {
      isThere(digest);
      assertFalse(model.isHeld(digest), "what is leased or pinned was deleted");
      model.deleted(digest);
      counts.add("deleted");
    } else if (!model.isHeld(digest)) {
      model.absent(digest);
    }
  }

  private void putResult() throws IOException {
    Universe.Result result = anyResult();
    if (put(result.closure())) {
      try {
        cache.put(SCOPE, result.action(), result.result().toByteArray());
        counts.add("result put");
      } catch (StoreFullException e) {
        refused(2L * result.result().getSerializedSize(), e);
      }
      result.digests().forEach(model::reported);
    }
  }

  private void findResult() throws IOException {
    Universe.Result result = anyResult();
    Optional<byte[]> found = cache.find(SCOPE, result.action());
    model.used(result.digests());
    if (found.isPresent()) {
      assertArrayEquals(result.result().toByteArray(), found.get());
      result.digests().forEach(this::isThere);
      result.digests().forEach(model::reported);
      counts.add("result found");
    }
  }

  /** After a stop that was not clean, nothing is evicted for a time: last uses may be lost. */
  private void restart() throws IOException {
    store.close();
    if (random.nextBoolean()) {
      Files.delete(dir.resolve("CLEAN"));
      nothingIsEvictedBefore = model.now().plus(LIFETIME);
    } else {
      nothingIsEvictedBefore = Instant.MIN;
    }
    long bytes = store.statistics().bytes();
    store = open();
    cache = new CompleteActionCache(store, store.results());
    assertEquals(bytes, store.statistics().bytes());
    counts.add("restart");
  }

  @Override
  public void close() throws IOException {
    store.close();
  }

  /** Power cuts are not the point here. */
  private static final class Unsynced implements Disk {
    @Override
    public void syncFile(FileChannel file) {}

    @Override
    public void syncDirectory(Path directory) {}

    @Override
    public void writeSynced(RocksDB db, WriteOptions synced, WriteBatch batch)
        throws RocksDBException {
      try (WriteOptions unsynced = new WriteOptions()) {
        db.write(unsynced, batch);
      }
    }
  }
}
