package build.thresher.executor.inputs;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

/** A process of a test that uses a cache at random, in several threads; fails on anything torn. */
final class CacheUser {
  static final int BYTES = 10;
  static final long LIMIT = 3 * BYTES;
  private static final int KEYS = 8;
  private static final int THREADS = 4;
  private static final int ROUNDS = 60;

  private CacheUser() {}

  static String key(int number) {
    return Digest.of(Integer.toString(number).getBytes(StandardCharsets.UTF_8)).hex();
  }

  public static void main(String[] arguments) throws Exception {
    Path root = Path.of(arguments[0]);
    long seed = Long.parseLong(arguments[1]);
    try (KeyLocks locks = KeyLocks.ofDigests(root);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      DirectoryCache cache = new DirectoryCache(root, LIMIT, locks, InstantSource.system());
      for (Future<?> done :
          IntStream.range(0, THREADS)
              .mapToObj(t -> threads.submit(() -> use(cache, new Random(seed + t))))
              .toList()) {
        done.get();
      }
    }
  }

  private static Void use(DirectoryCache cache, Random random)
      throws IOException, InterruptedException {
    for (int i = 0; i < ROUNDS; i++) {
      try (DirectoryCache.Use use =
          cache.acquire(
              key(random.nextInt(KEYS)), d -> Files.write(d.resolve("f"), new byte[BYTES]))) {
        Thread.sleep(random.nextInt(3));
        if (Files.size(use.path().resolve("f")) != BYTES) {
          throw new IOException(use.path() + " is not complete");
        }
      }
    }
    return null;
  }
}
