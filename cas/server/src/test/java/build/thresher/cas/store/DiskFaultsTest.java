package build.thresher.cas.store;

import static build.thresher.testing.DiskFaults.ALL;
import static build.thresher.testing.DiskFaults.EIO;
import static build.thresher.testing.DiskFaults.ENOSPC;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.testing.DiskFaults;
import build.thresher.testing.DiskFaults.Plan;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Disks that fail or are full: nothing that was acknowledged is lost, nothing is acknowledged that
 * is not on disk, what is refused is refused in the store's own words, reading goes on, and the
 * next start finds all well. Needs a C compiler for the library that makes calls fail, and Linux.
 */
final class DiskFaultsTest {
  private static final Scope SCOPE = Scope.farm("");

  @TempDir Path temp;

  @Test
  void nothingAcknowledgedIsLostWhereTheDiskFails() throws Exception {
    List<Plan> plans = new ArrayList<>(DiskFaults.everyCall(List.of(3), List.of(1, ALL)));
    plans.addAll(
        List.of(
            new Plan("fsync", EIO, 0, 1),
            new Plan("fsync", EIO, 25, 1),
            new Plan("fsync", EIO, 40, ALL),
            new Plan("write", EIO, 0, 1),
            new Plan("write", EIO, 60, ALL),
            new Plan("write", ENOSPC, 17, ALL),
            new Plan("create", ENOSPC, 0, ALL),
            new Plan("rename", EIO, 0, 1)));
    run(plans);
  }

  @Test
  @Tag("long")
  void nothingAcknowledgedIsLostWhereverTheDiskFails() throws Exception {
    run(DiskFaults.everyCall(List.of(0, 1, 2, 5, 10, 20, 50), List.of(1, ALL)));
  }

  private void run(List<Plan> plans) throws Exception {
    DiskFaults library = DiskFaults.compile(temp);
    int failed = library.each(plans, temp, (plan, scratch) -> run(plan, library, scratch));
    assertTrue(failed > plans.size() / 2, "hardly any call failed");
  }

  /** Whether a call failed; the writer does not come to each. */
  private static boolean run(Plan plan, DiskFaults library, Path scratch) throws Exception {
    Path dir = scratch.resolve("store");
    Path armed = scratch.resolve("armed");
    List<String> arguments = List.of(dir.toString(), armed.toString());
    DiskFaults.Ran ran = library.run(FaultyWriter.class, arguments, scratch, dir, armed, plan);
    List<String> said = ran.said();
    String errors = ran.errors();
    assertTrue(said.contains("last"), () -> "exit " + ran.exit() + "\n" + errors);
    Map<Long, String> acknowledged = new HashMap<>();
    for (String line : said) {
      String[] words = line.split(" ", 3);
      assertNotEquals("lost", words[0], line);
      if (words[0].equals("ack")) {
        acknowledged.put(Long.parseLong(words[1]), words[2]);
      } else if (words[0].equals("refused")) {
        assertTrue(words[1].matches("Store(Unavailable|Full)Exception"), line + "\n" + errors);
      }
    }
    boolean failed = ran.failed();
    if (failed && plan.call().equals("fsync")) {
      assertTrue(said.getLast().startsWith("refused"), "acknowledged after a failed sync");
      assertTrue(said.contains("takes writes: false"), "nobody is told that it is read-only");
    } else if (!failed) {
      assertTrue(said.contains("takes writes: true"));
    }
    findAll(dir, acknowledged);
    return failed;
  }

  private static void findAll(Path dir, Map<Long, String> acknowledged) throws IOException {
    try (RocksBlobStore store = open(dir, 0)) {
      for (Map.Entry<Long, String> one : acknowledged.entrySet()) {
        byte[] content = KilledWriter.content(one.getKey());
        assertEquals(Digest.of(content).toString(), one.getValue());
        assertArrayEquals(content, store.readAll(SCOPE, Digest.of(content)));
      }
      byte[] more = KilledWriter.content(-1);
      assertArrayEquals(more, store.readAll(SCOPE, store.put(SCOPE, more)));
    }
  }

  /** A file system of its own that is filled to the last byte by somebody else. */
  @Test
  void aFullDiskRefusesWritesServesReadsAndHealsWithRoom() throws Exception {
    Path disk = Files.createDirectory(temp.resolve("disk"));
    boolean mounted =
        new ProcessBuilder("mount", "-t", "tmpfs", "-o", "size=64m", "none", disk.toString())
                .redirectErrorStream(true)
                .redirectOutput(temp.resolve("mount.log").toFile())
                .start()
                .waitFor()
            == 0;
    assumeTrue(mounted, "SKIPPED: only root can mount a small file system");
    try {
      fillAndHeal(disk);
    } finally {
      new ProcessBuilder("umount", "-l", disk.toString()).inheritIO().start().waitFor();
    }
  }

  private static void fillAndHeal(Path disk) throws IOException {
    Map<Long, String> acknowledged = new HashMap<>();
    try (RocksBlobStore store = open(disk.resolve("store"), 16 << 20)) {
      long seed = 0;
      for (; seed < 100; seed++) {
        put(store, seed, acknowledged);
      }
      Path filler = disk.resolve("filler");
      fill(filler);
      for (long refused = seed; refused < seed + 20; refused++) {
        byte[] content = KilledWriter.content(refused);
        assertThrows(StoreUnavailableException.class, () -> store.put(SCOPE, content));
      }
      for (long old : acknowledged.keySet()) {
        byte[] content = KilledWriter.content(old);
        assertArrayEquals(content, store.readAll(SCOPE, Digest.of(content)));
      }
      Files.delete(filler);
      for (; seed < 110; seed++) {
        put(store, seed, acknowledged);
      }
    }
    findAll(disk.resolve("store"), acknowledged);
  }

  private static void put(RocksBlobStore store, long seed, Map<Long, String> acknowledged)
      throws IOException {
    acknowledged.put(seed, store.put(SCOPE, KilledWriter.content(seed)).toString());
  }

  private static void fill(Path filler) throws IOException {
    try (FileChannel file =
        FileChannel.open(filler, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      for (int size = 1 << 20; size > 0; size /= 2) {
        try {
          while (true) {
            file.write(java.nio.ByteBuffer.allocate(size));
          }
        } catch (IOException full) {
          // The next smaller piece.
        }
      }
    }
  }

  private static RocksBlobStore open(Path dir, long reserveBytes) throws IOException {
    return RocksBlobStore.open(
        dir, StoreOptions.DEFAULTS.withReserveBytes(reserveBytes), InstantSource.system());
  }
}
