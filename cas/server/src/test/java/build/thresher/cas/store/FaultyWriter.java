package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A process that writes blobs on a disk that fails under it. On standard output: {@code ack seed
 * digest} for what was acknowledged, {@code refused class message} for what was not, {@code lost
 * seed} for what cannot be read any more, whether the store says that it takes writes, and last
 * what became of one more write.
 */
final class FaultyWriter {
  private static final int WRITERS = 4;
  private static final int BLOBS_BEFORE = 40;
  private static final int BLOBS_EACH = 60;

  private FaultyWriter() {}

  public static void main(String[] args) throws Exception {
    Path dir = Path.of(args[0]);
    Path armed = Path.of(args[1]);
    Map<Long, Digest> acknowledged = new ConcurrentHashMap<>();
    try (RocksBlobStore store =
        RocksBlobStore.open(
            dir, StoreOptions.DEFAULTS.withReserveBytes(0), InstantSource.system())) {
      for (long seed = 0; seed < BLOBS_BEFORE; seed++) {
        write(store, seed, acknowledged);
      }
      Files.createFile(armed);
      AtomicLong next = new AtomicLong(BLOBS_BEFORE);
      Thread[] writers = new Thread[WRITERS];
      for (int i = 0; i < WRITERS; i++) {
        writers[i] =
            Thread.ofPlatform()
                .start(
                    () -> {
                      for (int n = 0; n < BLOBS_EACH; n++) {
                        write(store, next.getAndIncrement(), acknowledged);
                      }
                    });
      }
      for (Thread writer : writers) {
        writer.join();
      }
      for (Map.Entry<Long, Digest> one : acknowledged.entrySet()) {
        readBack(store, one.getKey(), one.getValue());
      }
      say("takes writes: " + store.takesWrites());
      say("last");
      write(store, next.getAndIncrement(), acknowledged);
    }
  }

  private static void write(RocksBlobStore store, long seed, Map<Long, Digest> acknowledged) {
    try {
      Digest digest = store.put(Scope.farm(""), KilledWriter.content(seed));
      acknowledged.put(seed, digest);
      say("ack " + seed + " " + digest);
    } catch (IOException e) {
      say("refused " + e.getClass().getSimpleName() + " " + e.getMessage());
    }
  }

  private static void readBack(RocksBlobStore store, long seed, Digest digest) {
    try {
      if (!Arrays.equals(KilledWriter.content(seed), store.readAll(Scope.farm(""), digest))) {
        say("lost " + seed + " other bytes");
      }
    } catch (IOException e) {
      say("lost " + seed + " " + e);
    }
  }

  private static void say(String line) {
    synchronized (System.out) {
      System.out.println(line);
      System.out.flush();
    }
  }
}
