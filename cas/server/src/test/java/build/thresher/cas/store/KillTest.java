package build.thresher.cas.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.testing.ChildJvm;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * An acknowledged blob survives kill -9 of the process that holds the store. After each kill all is
 * read that its process had acknowledged, with a sample of what is older; at the end, everything.
 * What is older than {@link #KEPT_KILLS} kills is read once more and deleted, so that a long run
 * needs less of the disk: a thousand kills some 7 GiB, since nobody lives to compact the database.
 */
final class KillTest {
  private static final int OLDER = 50;
  private static final int KEPT_KILLS = 40;

  @TempDir Path temp;

  @Test
  void acknowledgedBlobSurvivesKill() throws Exception {
    killManyTimes(50);
  }

  @Test
  @Tag("long")
  void acknowledgedBlobSurvivesAThousandKills() throws Exception {
    killManyTimes(1_000);
  }

  private void killManyTimes(int kills) throws Exception {
    long runSeed = Long.getLong("thresher.seed", System.nanoTime());
    System.out.println("replay with -Dthresher.seed=" + runSeed);
    Random random = new Random(runSeed);
    Map<Long, String> all = new LinkedHashMap<>();
    ArrayDeque<Set<Long>> byKill = new ArrayDeque<>();
    int acknowledged = 0;
    Path dir = temp.resolve("store");
    ChildJvm jvm = ChildJvm.with(temp);
    for (int kill = 0; kill < kills; kill++) {
      Map<Long, String> ledger = new LinkedHashMap<>();
      int acknowledgements = 1 + random.nextInt(200);
      Process writer = start(jvm, dir, kill * 1_000_000L);
      try (BufferedReader acks = writer.inputReader(StandardCharsets.UTF_8)) {
        String line = acks.readLine();
        while (line != null) {
          String[] ack = line.split(" ", 2);
          if (ack.length == 2 && ack[1].indexOf('/') > 0) {
            ledger.put(Long.parseLong(ack[0]), ack[1]);
          }
          if (--acknowledgements == 0) {
            // Through the handle, so that the acknowledgements in the pipe can still be read.
            writer.toHandle().destroyForcibly();
          }
          line = acks.readLine();
        }
      }
      assertEquals(128 + 9, writer.waitFor(), "the writer ended otherwise than by the kill");
      List<Long> older = List.copyOf(all.keySet());
      all.putAll(ledger);
      byKill.add(Set.copyOf(ledger.keySet()));
      acknowledged += ledger.size();
      for (int i = 0; i < Math.min(OLDER, older.size()); i++) {
        long seed = older.get(random.nextInt(older.size()));
        ledger.put(seed, Objects.requireNonNull(all.get(seed)));
      }
      Set<Long> old = byKill.size() > KEPT_KILLS ? byKill.remove() : Set.of();
      old.forEach(seed -> ledger.put(seed, Objects.requireNonNull(all.get(seed))));
      check(dir, ledger, old);
      all.keySet().removeAll(old);
    }
    check(dir, all, Set.of());
    System.out.println(kills + " kills, " + acknowledged + " acknowledged blobs, 0 lost");
    assertTrue(acknowledged >= kills);
  }

  private static Process start(ChildJvm jvm, Path dir, long firstSeed) throws Exception {
    return jvm.of(KilledWriter.class, List.of(dir.toString(), "" + firstSeed))
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  private static void check(Path dir, Map<Long, String> ledger, Set<Long> old) throws Exception {
    try (RocksBlobStore store =
        RocksBlobStore.open(
            dir, StoreOptions.DEFAULTS.withReserveBytes(0), InstantSource.system())) {
      for (Map.Entry<Long, String> ack : ledger.entrySet()) {
        byte[] expected = KilledWriter.content(ack.getKey());
        Digest digest = Digest.of(expected);
        assertTrue(digest.toString().startsWith(ack.getValue()), "acknowledged as another one");
        // A kill may cut the last line of the ledger.
        if (digest.toString().equals(ack.getValue())) {
          assertArrayEquals(expected, store.readAll(Scope.farm(""), digest));
        }
      }
      assertTrue(store.statistics().blobs() >= Set.copyOf(ledger.values()).size());
      for (long seed : old) {
        Digest digest = Digest.of(KilledWriter.content(seed));
        assertTrue(store.delete(Scope.farm(""), digest), "nobody holds " + digest);
      }
    }
  }
}
