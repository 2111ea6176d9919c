package build.thresher.cas.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreFullException;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What goes when room is needed, and what never does. */
final class EvictionTest {
  private static final Scope SCOPE = new Scope("", "test");
  private static final Duration LIFETIME = Duration.ofHours(3);
  private static final int SIZE = 10_000;

  @TempDir Path temp;
  private final AtomicReference<Instant> now =
      new AtomicReference<>(Instant.parse("2026-01-01T00:30:00Z"));
  private RocksBlobStore store;

  @BeforeEach
  void open() throws IOException {
    open(20L * SIZE);
  }

  /** With blobs of 16 KiB and more as files. */
  private void open(long maxBytes) throws IOException {
    store =
        RocksBlobStore.open(
            temp.resolve("store"),
            StoreOptions.DEFAULTS
                .withReserveBytes(0)
                .withLargeBlobBytes(16 << 10)
                .withMaxBytes(maxBytes)
                .withLifetime(LIFETIME),
            this::now);
  }

  @AfterEach
  void close() throws IOException {
    store.close();
  }

  private Instant now() {
    return Objects.requireNonNull(now.get());
  }

  private void pass(Duration time) {
    now.updateAndGet(instant -> instant.plus(time));
  }

  private static byte[] bytes(long seed, int size) {
    byte[] bytes = new byte[size];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private List<Digest> put(int from, int count) throws IOException {
    List<Digest> digests = new ArrayList<>();
    for (int i = from; i < from + count; i++) {
      digests.add(store.put(SCOPE, bytes(i, SIZE)));
    }
    return digests;
  }

  @Test
  void whatWasUsedLeastRecentlyGoesFirst() throws Exception {
    List<Digest> old = put(0, 10);
    store.readAll(SCOPE, old.get(5)); // in the hour in which it was put, which says nothing new
    pass(Duration.ofHours(1));
    put(10, 5);
    pass(Duration.ofHours(1));
    assertTrue(store.contains(SCOPE, old.get(3)));
    store.put(SCOPE, bytes(4, SIZE)); // another upload is a use too
    store.readAll(SCOPE, old.get(5));
    pass(Duration.ofHours(10));
    put(20, 6);
    List<Digest> gone = new ArrayList<>(store.findMissing(SCOPE, old));
    assertFalse(gone.isEmpty());
    assertFalse(gone.contains(old.get(3)));
    assertFalse(gone.contains(old.get(4)));
    assertFalse(gone.contains(old.get(5)));
  }

  @Test
  void aFullStoreRefusesWritesServesReadsAndHealsWhenPromisesEnd() throws Exception {
    List<Digest> all = put(0, 20);
    assertThrows(StoreFullException.class, () -> put(20, 1));
    byte[] large = bytes(21, 50_000);
    assertThrows(StoreFullException.class, () -> store.write(SCOPE, Digest.of(large)));
    assertEquals(SIZE, store.readAll(SCOPE, all.getFirst()).length);
    pass(LIFETIME.plusHours(1).minusMinutes(31));
    assertThrows(StoreFullException.class, () -> put(20, 1));
    pass(Duration.ofMinutes(2));
    store.put(SCOPE, large);
    assertArrayEquals(large, store.readAll(SCOPE, Digest.of(large)));
    assertThrows(
        StoreFullException.class,
        () -> store.write(SCOPE, Digest.fromHash(Digest.of(large).hashBytes(), Long.MAX_VALUE)));
  }

  @Test
  void leasedAndPinnedBlobsStayAndTheOthersGo() throws Exception {
    List<Digest> all = put(0, 20);
    store.pin(SCOPE, all.subList(0, 5));
    store.lease(SCOPE, all.subList(5, 10), now().plus(Duration.ofDays(2)));
    pass(Duration.ofDays(1));
    put(100, 10);
    assertEquals(List.of(), List.copyOf(store.findMissing(SCOPE, all.subList(0, 10))));
    assertEquals(10, store.findMissing(SCOPE, all.subList(10, 20)).size());
    pass(Duration.ofDays(2));
    put(200, 15);
    assertEquals(List.of(), List.copyOf(store.findMissing(SCOPE, all.subList(0, 5))));
    assertEquals(5, store.findMissing(SCOPE, all.subList(5, 10)).size());
  }

  @Test
  void afterAnUncleanStopNothingGoesForOneLifetime() throws Exception {
    put(0, 20);
    pass(Duration.ofDays(1));
    close();
    Files.delete(temp.resolve("store").resolve("CLEAN"));
    open(20L * SIZE);
    assertThrows(StoreFullException.class, () -> put(20, 1));
    pass(LIFETIME.plusSeconds(1));
    put(20, 1);
  }

  @Test
  void resultsGoWithTheBlobsOfTheirTime() throws Exception {
    store.results().put("old".getBytes(UTF_8), new byte[] {1});
    store.results().put("used".getBytes(UTF_8), new byte[] {2});
    put(0, 20);
    pass(Duration.ofHours(1));
    assertTrue(store.results().find("used".getBytes(UTF_8)).isPresent());
    pass(Duration.ofDays(1));
    put(20, 1);
    assertTrue(store.results().find("old".getBytes(UTF_8)).isEmpty());
    assertTrue(store.results().find("used".getBytes(UTF_8)).isPresent());
  }

  @Test
  void theRoomOfEvictedValuesIsGivenBack() throws Exception {
    close();
    open(100L << 20);
    for (int batch = 0; batch < 12; batch++) {
      List<Blob> blobs = new ArrayList<>();
      for (int i = 0; i < 800; i++) {
        blobs.add(Blob.of(bytes(batch * 1_000L + i, SIZE)));
      }
      store.putAll(SCOPE, blobs);
    }
    pass(Duration.ofDays(1));
    close();
    open(20L << 20);
    long before = bytesBelow(temp.resolve("store/db"));
    assertTrue(before > 90_000_000, "written " + before);
    put(1_000_000, 1);
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (bytesBelow(temp.resolve("store/db")) > before / 2 && System.nanoTime() < deadline) {
      Thread.sleep(20);
    }
    long after = bytesBelow(temp.resolve("store/db"));
    assertTrue(after < before / 2, "before " + before + ", after " + after);
  }

  /** Files come and go meanwhile; one that went counts nothing. */
  private static long bytesBelow(Path dir) {
    long sum = 0;
    for (File file : Objects.requireNonNull(dir.toFile().listFiles())) {
      sum += file.getName().endsWith(".log") ? 0 : file.length();
    }
    return sum;
  }

  /**
   * Writers that fill the store again and again, a clock that runs, and everything that was ever
   * reported as present, or leased, is asked for again within its time.
   */
  @Test
  void nothingThatWasPromisedGoesUnderPressure() throws Exception {
    long seed = System.nanoTime();
    Map<Digest, Instant> promises = new ConcurrentHashMap<>();
    AtomicInteger full = new AtomicInteger();
    AtomicInteger written = new AtomicInteger();
    AtomicInteger asked = new AtomicInteger();
    try (ExecutorService workers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> running = new ArrayList<>();
      for (int w = 0; w < 8; w++) {
        Random random = new Random(seed + w);
        running.add(
            workers.submit(
                () -> {
                  for (int i = 0; i < 250; i++) {
                    int size = random.nextBoolean() ? SIZE : 2 * SIZE;
                    byte[] bytes = bytes(random.nextInt(60), size);
                    Instant before = now();
                    try {
                      Digest digest = store.put(SCOPE, bytes);
                      promises.merge(digest, before.plus(LIFETIME), EvictionTest::later);
                      written.incrementAndGet();
                      if (random.nextInt(10) == 0) {
                        Instant until = before.plus(LIFETIME.multipliedBy(3));
                        store.lease(SCOPE, List.of(digest), until);
                        promises.merge(digest, until, EvictionTest::later);
                      }
                    } catch (BlobNotFoundException e) {
                      // The others let so much time pass between the put and the lease.
                      Instant until = before.plus(LIFETIME);
                      assertFalse(now().isBefore(until), "not there to lease, seed " + seed);
                    } catch (StoreFullException e) {
                      full.incrementAndGet();
                      pass(Duration.ofMinutes(20));
                    }
                    pass(Duration.ofMinutes(random.nextInt(10)));
                    for (Map.Entry<Digest, Instant> promise : Map.copyOf(promises).entrySet()) {
                      if (random.nextInt(20) == 0) {
                        Instant asking = now();
                        boolean there = store.contains(SCOPE, promise.getKey());
                        asked.incrementAndGet();
                        if (there) {
                          promises.merge(
                              promise.getKey(), asking.plus(LIFETIME), EvictionTest::later);
                        } else {
                          Instant until = promise.getValue();
                          assertFalse(now().isBefore(until), "lost early, seed " + seed);
                        }
                      }
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> one : running) {
        one.get();
      }
    }
    assertTrue(store.statistics().bytes() <= 20L * SIZE);
    assertTrue(full.get() > 0 && asked.get() > 100, full + " times full, asked " + asked);
    assertTrue(written.get() > 40, "written " + written);
  }

  private static Instant later(Instant a, Instant b) {
    return a.isAfter(b) ? a : b;
  }
}
