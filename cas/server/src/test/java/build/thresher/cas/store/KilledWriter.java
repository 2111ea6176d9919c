package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Random;

/**
 * A process that writes blobs until it is killed. Each acknowledged one is a line on standard
 * output: the seed and size it was made of.
 */
final class KilledWriter {
  private static final int WRITERS = 8;

  private KilledWriter() {}

  static byte[] content(long seed) {
    Random random = new Random(seed);
    // Mostly small, one in five large enough for a file.
    byte[] bytes = new byte[1 + random.nextInt(random.nextInt(5) == 0 ? 600_000 : 20_000)];
    random.nextBytes(bytes);
    return bytes;
  }

  public static void main(String[] args) throws Exception {
    Path dir = Path.of(args[0]);
    long firstSeed = Long.parseLong(args[1]);
    RocksBlobStore store =
        RocksBlobStore.open(dir, StoreOptions.DEFAULTS.withReserveBytes(0), InstantSource.system());
    for (int i = 0; i < WRITERS; i++) {
      long base = firstSeed + i;
      Thread.ofPlatform()
          .start(
              () -> {
                for (long seed = base; ; seed += WRITERS) {
                  try {
                    Digest digest = store.put(Scope.farm(""), content(seed));
                    synchronized (System.out) {
                      System.out.println(seed + " " + digest);
                      System.out.flush();
                    }
                  } catch (Exception e) {
                    e.printStackTrace();
                    Runtime.getRuntime().halt(1);
                  }
                }
              });
    }
  }
}
