package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.mirror.CrashPoints.Point;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.testing.Scratch;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A mirror that crashes at every step of what it is asked: each state that its directory goes
 * through is opened as a kill leaves it, beside the mirror that lives on. What is found must be
 * whole, signed and closed, what was acknowledged must be there, an index that readers were told of
 * must be readable; what was asked is asked again and ends as it did without the crash.
 */
final class CrashingMirror implements AutoCloseable {
  /** Of states with a torn write, which the next start cuts off, one in so many is opened. */
  private static final int TORN_CHECKED = 4;

  private final Path dir;
  private final Path live;
  private final CrashPoints points;
  private final ExecutorService checkers = Executors.newFixedThreadPool(2);
  private final List<Future<?>> checks = new ArrayList<>();
  private final Map<String, String> readable = new HashMap<>();

  /** Long ago, for signatures of the future are refused. */
  private Instant now = Instant.now().minus(Duration.ofDays(100));

  private MirrorParts at;
  private MirrorState state;
  private int whole;
  private int torn;

  /** What is asked of a mirror. Where there is nothing left to do, it may say so. */
  interface Act {
    void on(MirrorParts mirror) throws Exception;
  }

  /**
   * What a state must be.
   *
   * @param atOnce it is what it was before or what it is afterwards, and nothing between
   * @param readable paths of index blobs by instance
   */
  private record Expected(
      String what,
      Act act,
      boolean atOnce,
      MirrorState before,
      MirrorState after,
      Map<String, String> readable,
      Instant now) {}

  /**
   * @param otherwise where it lives on machines that have no file system in memory
   */
  CrashingMirror(Path otherwise) throws Exception {
    dir = Files.createDirectory(Scratch.inMemory(otherwise, "crashes"));
    live = Files.createDirectory(dir.resolve("live"));
    points = new CrashPoints(live, dir.resolve("copies"));
    at = MirrorParts.open(live, () -> now, points);
    state = MirrorState.requireWhole(at, dir);
    points.step("the first start");
    points.take();
  }

  /** The store of the mirror that lives. */
  RocksBlobStore store() {
    return at.store;
  }

  /** Asks for something that is there whole or not at all. */
  void atOnce(String what, Act act) throws Exception {
    ask(what, act, true);
  }

  /** Asks for something that is done bit by bit. */
  void inSteps(String what, Act act) throws Exception {
    ask(what, act, false);
  }

  private void ask(String what, Act act, boolean atOnce) throws Exception {
    MirrorState before = state;
    Map<String, String> indices = Map.copyOf(readable);
    act.on(at);
    points.step("the answer");
    List<Point> asked = points.take();
    state = MirrorState.requireWhole(at, dir);
    points.step("the answer");
    for (Point point : asked) {
      MirrorState atLeast = point.equals(asked.getLast()) ? state : before;
      check(point, new Expected(what, act, atOnce, atLeast, state, indices, now));
    }
    for (Point point : points.take()) {
      String reads = "reading the indices after: " + what;
      check(point, new Expected(reads, act, true, state, state, indices, now));
    }
    for (String instance : MirrorParts.INSTANCES) {
      readable.put(instance, PublishedState.indexPath(at.mirror, at.store, instance));
    }
  }

  /** Lets time pass; nobody can expect to read an older index then. */
  void pass(Duration time) {
    now = now.plus(time);
    readable.clear();
  }

  /** Stops the mirror, and starts it again. */
  void restart() throws Exception {
    at.close();
    points.step("the stop");
    at = MirrorParts.open(live, () -> now, points);
    points.step("the start");
    for (Point point : points.take()) {
      check(point, new Expected("restart", m -> {}, true, state, state, Map.copyOf(readable), now));
    }
  }

  private void check(Point point, Expected expected) throws IOException {
    if (point.torn() && torn++ % TORN_CHECKED != 0) {
      point.delete();
      return;
    }
    whole += point.torn() ? 0 : 1;
    checks.add(
        checkers.submit(
            () -> {
              try {
                requireSound(point, expected);
                point.delete();
              } catch (Exception | AssertionError e) {
                String how = point.torn() ? "with a torn write " : "";
                throw new AssertionError(
                    "a crash %s%s, in: %s".formatted(how, point.step(), expected.what()), e);
              }
            }));
  }

  private static void requireSound(Point point, Expected expected) throws Exception {
    try (MirrorParts found = MirrorParts.open(point.copy(), expected::now)) {
      MirrorState left = MirrorState.requireWhole(found, point.copy());
      left.requireBetween(expected.before(), expected.after());
      left.requireClosed(found, expected.before(), expected.after());
      if (expected.atOnce()) {
        assertTrue(left.equals(expected.before()) || left.equals(expected.after()), "half of it");
      }
      for (Map.Entry<String, String> index : expected.readable().entrySet()) {
        PublishedState.text(found.mirror, found.store, index.getKey(), index.getValue());
      }
      PinCheck.run(found.store, found.mirror, List.of());
      try {
        expected.act().on(found);
      } catch (NoSuchElementException e) {
        assertEquals(expected.after(), left, "there was nothing left to do");
      }
      assertEquals(expected.after(), MirrorState.requireWhole(found, point.copy()));
      MirrorState.requireExactPins(found);
    }
  }

  /** States that were found as they should be, without those that ended in a torn write. */
  int points() throws Exception {
    for (Future<?> check : checks) {
      check.get();
    }
    System.out.printf(
        "%d crashes between writes, %d in the middle of one%n", whole, torn / TORN_CHECKED);
    return whole;
  }

  @Override
  public void close() throws IOException {
    checks.forEach(check -> check.cancel(false));
    checkers.close();
    at.close();
    MoreFiles.deleteRecursively(dir, RecursiveDeleteOption.ALLOW_INSECURE);
  }
}
