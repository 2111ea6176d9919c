package build.thresher.executor.action;

import static build.thresher.executor.action.ActionBench.bytes;

import build.bazel.remote.execution.v2.Command;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What an action costs besides its command: {@code true} in the sandbox, without inputs, with a
 * hundred that are always the same, and with a hundred of which one is new each time.
 */
@Tag("benchmark")
final class ActionBenchmark {
  private static final int ACTIONS = 300;

  private final Path temporary;

  ActionBenchmark(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  private interface Inputs {
    Digest of(int action) throws Exception;
  }

  @Test
  void actionsASecond() throws Exception {
    try (ActionBench bench = new ActionBench(temporary)) {
      Digest same = bench.upload(hundred(-1));
      List<Digest> different = new ArrayList<>();
      for (int i = 0; i < 3 * ACTIONS; i++) {
        different.add(bench.upload(hundred(i)));
      }
      measure(bench, "warm-up", 2, i -> Digest.EMPTY);
      int first = 0;
      for (int concurrency : List.of(1, 2, 16)) {
        int offset = first;
        measure(bench, "no inputs", concurrency, i -> Digest.EMPTY);
        measure(bench, "100 inputs, the same", concurrency, i -> same);
        measure(bench, "100 inputs, one new", concurrency, i -> different.get(offset + i));
        first += ACTIONS;
      }
    }
  }

  private static LocalTree.Builder hundred(int changed) {
    LocalTree.Builder tree = LocalTree.builder();
    for (int i = 0; i < 100; i++) {
      String content = i == 50 && changed >= 0 ? "changed " + changed : "content " + i;
      tree.addBytes("dir" + i % 10 + "/file" + i, bytes(content), false);
    }
    return tree;
  }

  private static void measure(ActionBench bench, String what, int concurrency, Inputs inputs)
      throws Exception {
    long start = System.nanoTime();
    try (var threads = Executors.newFixedThreadPool(concurrency, Thread.ofVirtual().factory())) {
      List<Future<ActionBench.Run>> runs = new ArrayList<>();
      for (int i = 0; i < ACTIONS; i++) {
        Digest root = inputs.of(i);
        runs.add(threads.submit(() -> bench.run(Command.newBuilder().addArguments("true"), root)));
      }
      for (Future<ActionBench.Run> run : runs) {
        run.get().result();
      }
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    System.out.printf(
        "BENCH %-22s %2d at a time: %6.1f actions/s%n", what, concurrency, ACTIONS / seconds);
  }
}
