package build.thresher.cas.store;

import build.thresher.cas.api.Scope;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * From which size on is a file faster than a value in RocksDB? Every write is synced. Prints a
 * table; {@code -Dthresher.bench.dir} chooses the disk.
 */
@Tag("benchmark")
final class BorderBenchmark {
  private static final int[] SIZES_KIB = {16, 32, 64, 128, 256, 512, 1024};
  private static final int RUNS = 5;

  @Test
  void valuesAgainstFilesOnSyncedWrites() throws Exception {
    System.out.println("BENCH KiB  writers  value MB/s  file MB/s  value blobs/s  file blobs/s");
    for (int kib : SIZES_KIB) {
      for (int writers : new int[] {1, 16}) {
        int size = kib << 10;
        double value = median(size, writers, 16 << 20);
        double file = median(size, writers, 1);
        System.out.printf(
            "BENCH %4d %8d %11.1f %10.1f %14.0f %13.0f%n",
            kib, writers, value * size / 1e6, file * size / 1e6, value, file);
      }
    }
  }

  private static double median(int size, int writers, int border) throws Exception {
    double[] rates = new double[RUNS];
    for (int i = 0; i < RUNS; i++) {
      rates[i] = run(size, writers, border);
    }
    Arrays.sort(rates);
    return rates[RUNS / 2];
  }

  private static double run(int size, int writers, int border) throws Exception {
    String where = System.getProperty("thresher.bench.dir", System.getProperty("java.io.tmpdir"));
    Path dir = Files.createTempDirectory(Path.of(where), "border");
    int blobs = Math.max(64, Math.min(400, (48 << 20) / size));
    StoreOptions options = StoreOptions.DEFAULTS.withReserveBytes(0).withLargeBlobBytes(border);
    try (RocksBlobStore store = RocksBlobStore.open(dir, options, InstantSource.system());
        ExecutorService threads = Executors.newFixedThreadPool(writers)) {
      AtomicLong seed = new AtomicLong(1);
      List<Future<?>> running = new ArrayList<>();
      long start = System.nanoTime();
      for (int i = 0; i < writers; i++) {
        running.add(
            threads.submit(
                () -> {
                  byte[] bytes = new byte[size];
                  new Random(1).nextBytes(bytes);
                  for (long s = seed.getAndIncrement(); s <= blobs; s = seed.getAndIncrement()) {
                    byte[] own = bytes.clone();
                    own[0] = (byte) s;
                    own[1] = (byte) (s >> 8);
                    store.put(Scope.farm(""), own);
                  }
                  return null;
                }));
      }
      for (Future<?> one : running) {
        one.get();
      }
      return blobs / ((System.nanoTime() - start) / 1e9);
    } finally {
      try (var all = Files.walk(dir)) {
        for (Path path : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
          Files.delete(path);
        }
      }
    }
  }
}
