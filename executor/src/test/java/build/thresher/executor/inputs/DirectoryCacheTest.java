package build.thresher.executor.inputs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each directory is made once, shared, kept while used, and goes when there is no room. */
final class DirectoryCacheTest {
  private final Path root;
  private final AtomicLong seconds = new AtomicLong(1_000_000);
  private final InstantSource clock = () -> Instant.ofEpochSecond(seconds.incrementAndGet());

  DirectoryCacheTest(@TempDir Path temporary) {
    this.root = temporary.resolve("cache");
  }

  private DirectoryCache open(long limit) throws IOException {
    return new DirectoryCache(
        root,
        limit,
        new TestGuard(LockFile.open(FileTrees.createReadable(root).resolve(".lock"))),
        clock);
  }

  private static void fill(Path directory, int bytes) throws IOException {
    Files.write(directory.resolve("f"), new byte[bytes]);
  }

  @Test
  void manyWhoWantTheSameShareOneFilling() throws Exception {
    DirectoryCache cache = open(1000);
    AtomicInteger fillings = new AtomicInteger();
    List<Future<Path>> paths = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < 50; i++) {
        paths.add(
            threads.submit(
                () -> {
                  try (DirectoryCache.Use use =
                      cache.acquire(
                          "a",
                          d -> {
                            fillings.incrementAndGet();
                            fill(d, 10);
                          })) {
                    assertTrue(Files.exists(use.path().resolve("f")));
                    return use.path();
                  }
                }));
      }
      for (Future<Path> path : paths) {
        path.get();
      }
    }
    assertEquals(1, fillings.get());
    assertEquals(10, cache.totalBytes());
  }

  @Test
  void aFailedFillingLeavesNothingAndMayBeTriedAgain() throws Exception {
    DirectoryCache cache = open(1000);
    assertThrows(
        IOException.class,
        () ->
            cache.acquire(
                "a",
                d -> {
                  fill(d, 10);
                  throw new IOException("lost");
                }));
    try (var children = Files.list(root)) {
      assertEquals(List.of(root.resolve(".lock")), children.toList());
    }
    cache.acquire("a", d -> fill(d, 5)).close();
    assertEquals(5, cache.totalBytes());
  }

  @Test
  void theLeastRecentlyUsedGoesAndWhatIsInUseStays() throws Exception {
    DirectoryCache cache = open(25);
    DirectoryCache.Use used = cache.acquire("used", d -> fill(d, 10));
    cache.acquire("old", d -> fill(d, 10)).close();
    cache.acquire("new", d -> fill(d, 10)).close();
    assertTrue(Files.exists(used.path().resolve("f")));
    assertFalse(Files.exists(root.resolve("old")));
    assertTrue(Files.exists(root.resolve("new")));
    assertEquals(20, cache.totalBytes());
    used.close();
  }

  @Test
  void aRestartKeepsWhatIsCompleteAndDropsTheRest() throws Exception {
    DirectoryCache first = open(1000);
    first.acquire("a", d -> fill(d, 10)).close();
    first.acquire("b", d -> fill(d, 10)).close();
    first.acquire("a", d -> fill(d, 10)).close();
    Files.createDirectories(root.resolve(".unfinished-c.1.1/content/x"));
    Files.createDirectories(root.resolve("torn/content"));
    DirectoryCache second = open(15);
    assertEquals(20, second.totalBytes());
    assertFalse(Files.exists(root.resolve(".unfinished-c.1.1")));
    assertFalse(Files.exists(root.resolve("torn")));
    second.acquire("a", d -> fill(d, 99)).close();
    assertEquals(0, second.fills());
    assertFalse(Files.exists(root.resolve("b")), "b was used before a");
  }

  @Test
  void usersNeverSeeAnythingIncompleteUnderPressure() throws Exception {
    long seed = System.nanoTime();
    DirectoryCache cache = open(30);
    List<Callable<Integer>> work = new ArrayList<>();
    for (int t = 0; t < 8; t++) {
      Random random = new Random(seed + t);
      work.add(
          () -> {
            for (int i = 0; i < 60; i++) {
              String key = "k" + random.nextInt(8);
              try (DirectoryCache.Use use = cache.acquire(key, d -> fill(d, 10))) {
                assertEquals(10, Files.size(use.path().resolve("f")), "seed " + seed);
              }
            }
            return 0;
          });
    }
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (Future<Integer> done : threads.invokeAll(work)) {
        done.get();
      }
    }
    assertTrue(cache.totalBytes() <= 30, "seed " + seed);
  }

  @Test
  void severalProcessesShareOneCache() throws Exception {
    long seed = System.nanoTime();
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      processes.add(
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin/java").toString(),
                  "-Xmx64m",
                  "-cp",
                  System.getProperty("java.class.path"),
                  CacheUser.class.getName(),
                  root.toString(),
                  Long.toString(seed + i))
              .redirectErrorStream(true)
              .start());
    }
    for (Process process : processes) {
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, process.waitFor(), "seed " + seed + ": " + output);
    }
    try (KeyLocks locks = KeyLocks.ofDigests(root)) {
      DirectoryCache cache = new DirectoryCache(root, CacheUser.LIMIT, locks, clock);
      // Each process leaves what it could not evict, because another used it, to the next one.
      cache.acquire(CacheUser.key(0), d -> fill(d, CacheUser.BYTES)).close();
      assertTrue(cache.totalBytes() <= CacheUser.LIMIT, "seed " + seed);
    }
  }

  @Test
  void whatLostItsContentInAPowerCutIsMadeAgain() throws Exception {
    open(1000).acquire("a", d -> fill(d, 10)).close();
    Files.write(root.resolve("a/content/f"), new byte[0]);
    try (DirectoryCache.Use use = open(1000).acquire("a", d -> fill(d, 10))) {
      assertEquals(10, Files.size(use.path().resolve("f")));
    }
  }

  /** Locks of the real kind, at offsets that keys of a test have. */
  private record TestGuard(LockFile file) implements DirectoryCache.Guard {
    @Override
    public Closeable shared(String key) throws IOException, InterruptedException {
      return file.shared(key.hashCode());
    }

    @Override
    public Optional<Closeable> tryExclusive(String key) throws IOException {
      return file.tryExclusive(key.hashCode());
    }
  }
}
