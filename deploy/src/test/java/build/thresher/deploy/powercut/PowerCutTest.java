package build.thresher.deploy.powercut;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.actions.CompleteActionCache;
import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import build.thresher.scheduler.store.RocksTaskStore;
import build.thresher.testing.Scratch;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Cuts the power of a real server at its sync points and opens what is left. Needs a C compiler for
 * the recorder, and Linux.
 */
class PowerCutTest {
  private static final int CLIENTS = FoundMirror.INSTANCES.size();

  @Test
  void whatWasAcknowledgedIsThereAfterThePowerWasCut(@TempDir Path scratch) throws Exception {
    cutThePower(scratch, 6, Integer.getInteger("powercut.places", 50));
  }

  @Test
  @Tag("long")
  void whatWasAcknowledgedIsThereAfterThePowerWasCutAnywhere(@TempDir Path scratch)
      throws Exception {
    cutThePower(scratch, 40, Integer.getInteger("powercut.places", 1000));
  }

  private static void cutThePower(Path scratch, int rounds, int placeCount) throws Exception {
    long seed = Long.getLong("powercut.seed", new Random().nextLong());
    System.out.println("power cuts: replay the same cuts with -Dpowercut.seed=" + seed);
    Ledger ledger = new Ledger();
    Recording recording;
    try (RecordedFarm farm = RecordedFarm.start(scratch, compileRecorder(scratch))) {
      work(farm, rounds, seed, ledger);
      recording = farm.stop();
    }
    Random random = new Random(seed);
    List<Integer> places = places(recording, placeCount, random);
    int blobs = 0;
    int kept = 0;
    int requests = 0;
    Path found = Scratch.inMemory(scratch, "found");
    for (int place : places) {
      // Against the writer, and with a throw of the dice.
      for (RandomGenerator dice :
          new @Nullable RandomGenerator[] {null, new Random(seed + place)}) {
        FoundAfterwards.make(recording, place, dice, found);
        long nanos = recording.steps().get(place - 1).nanos();
        try {
          List<Digest> acknowledged = ledger.blobsBefore(nanos);
          kept += checkStored(found, scratch.resolve("data"), ledger, acknowledged, nanos);
          blobs += acknowledged.size();
          requests += checkRequests(found.resolve("scheduler"), ledger.requestsBefore(nanos));
        } catch (IOException | AssertionError e) {
          String how = dice == null ? "nothing unsynced left" : "some unsynced left";
          throw new AssertionError("cut after step " + place + " (" + how + "), seed " + seed, e);
        }
        MoreFiles.deleteRecursively(found, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    }
    System.out.printf(
        "%d steps, %d syncs recorded; power cut at %d places in two ways: %d blobs, %d results,"
            + " specs and names, and %d requests that had been acknowledged were there%n",
        recording.steps().size(), recording.syncs().size(), places.size(), blobs, kept, requests);
    assertTrue(kept > 0 && requests > 0, "nothing was acknowledged before any cut");
  }

  private static Path compileRecorder(Path scratch) throws Exception {
    Path library = scratch.resolve("recorder.so");
    boolean compiled = false;
    try {
      compiled =
          new ProcessBuilder(
                      "cc",
                      "-shared",
                      "-fPIC",
                      "-O2",
                      "-o",
                      library.toString(),
                      "src/test/native/recorder.c",
                      "-ldl",
                      "-lpthread")
                  .inheritIO()
                  .start()
                  .waitFor()
              == 0;
    } catch (IOException e) {
      System.out.println("no C compiler: " + e.getMessage());
    }
    assumeTrue(compiled, "a power cut cannot be recorded without a C compiler (cc)");
    return library;
  }

  private static void work(RecordedFarm farm, int rounds, long seed, Ledger ledger)
      throws Exception {
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        int client = i;
        Random random = new Random(seed + i);
        all.add(
            clients.submit(
                () -> {
                  for (int round = 0; round < rounds; round++) {
                    farm.work(random, client, round, ledger);
                  }
                  return true;
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
    } catch (java.util.concurrent.ExecutionException e) {
      throw new AssertionError(farm.log(), e);
    }
  }

  /** Just after a sync, just before one, or anywhere between. */
  private static List<Integer> places(Recording recording, int count, Random random) {
    List<Integer> all = new ArrayList<>();
    int before = 1;
    for (int sync : recording.syncs()) {
      all.add(sync);
      all.add(sync + 1);
      all.add(before + random.nextInt(sync - before + 1));
      before = sync + 1;
    }
    Collections.shuffle(all, random);
    return all.subList(0, Math.min(count, all.size())).stream().sorted().toList();
  }

  /**
   * Blobs, then results of actions, published specs and names, whose blobs were there before they
   * were.
   *
   * @return how many of the latter
   */
  private static int checkStored(
      Path found, Path data, Ledger ledger, List<Digest> acknowledged, long nanos)
      throws IOException {
    List<Digest> results = ledger.resultsBefore(nanos);
    if (!Files.exists(found.resolve("blobs"))) {
      assertEquals(List.of(), acknowledged);
      return 0;
    }
    StoreOptions options = StoreOptions.DEFAULTS.withReserveBytes(0);
    Scope scope = Scope.farm("default");
    try (RocksBlobStore store =
        RocksBlobStore.open(found.resolve("blobs"), options, InstantSource.system())) {
      Set<Digest> missing = store.findMissing(scope, acknowledged);
      assertEquals(Set.of(), missing, "acknowledged and lost");
      for (Digest digest : acknowledged) {
        assertEquals(digest, Digest.of(store.readAll(scope, digest)), "acknowledged and damaged");
      }
      ActionCache cache = new CompleteActionCache(store, store.results());
      for (Digest action : results) {
        assertArrayEquals(
            RecordedFarm.result(action).toByteArray(),
            cache.find(scope, action).orElseThrow(() -> new AssertionError("lost " + action)));
      }
      return results.size()
          + FoundMirror.check(
              found, data, store, ledger.specsBefore(nanos), ledger.namesBefore(nanos));
    }
  }

  private static int checkRequests(Path directory, List<String> accepted) throws IOException {
    if (!Files.exists(directory)) {
      assertEquals(List.of(), accepted);
      return 0;
    }
    try (RocksTaskStore store = RocksTaskStore.at(directory.resolve("tasks"), "default")) {
      store.open();
      Set<String> lost = new HashSet<>(accepted);
      store.loadLive().requests().forEach(r -> lost.remove(r.head().id()));
      for (String id : Set.copyOf(lost)) {
        if (store.finishedRequest(id).isPresent()) {
          lost.remove(id);
        }
      }
      assertEquals(Set.of(), lost, "accepted and lost");
    }
    return accepted.size();
  }
}
