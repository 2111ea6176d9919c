package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.thresher.scheduler.ThreadCosts.Kind;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Lease;
import build.thresher.v1.RequestState;
import build.thresher.v1.SpackBuildResult;
import com.google.longrunning.Operation;
import com.google.protobuf.Message;
import io.grpc.stub.StreamObserver;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Figures of the scheduler behind a real gRPC server with a task store on disk, printed and not
 * asserted: {@code ./thresher bench scheduler}. Blobs, mirror and action cache are in memory, and
 * executors build nothing: what is measured is the scheduler.
 *
 * <p>CPU of the server is what the process used, less the one thread on which all clients and
 * executors are, and less the JVM's compiler, which falls silent in time; it says more than leases
 * a second do where other programs share the machine. The first runs warm up and are not counted.
 */
@Tag("benchmark")
@Timeout(900)
class SchedulerBenchmark {
  private static final int WARM_UP_RUNS = 2;
  private static final int RUNS = Integer.getInteger("thresher.bench.runs", 5);
  private static final int NODES = 2000;
  private static final int EXECUTORS = 64;
  private static final int SLOTS = 4;
  private static final int REPEATS = 20;
  private static final int ACTIONS = 4000;
  private static final int ACTIONS_AT_ONCE = 64;

  @TempDir Path directory = Path.of("");

  /** Values of each row, in the order in which rows were first named. */
  private final Map<String, List<Double>> rows = new LinkedHashMap<>();

  @Test
  void figures() throws Exception {
    for (int run = 0; run < WARM_UP_RUNS + RUNS; run++) {
      try (TestFarm farm = new TestFarm(directory.resolve("run" + run));
          BenchmarkPeers peers = new BenchmarkPeers(farm)) {
        Script script = new Script(farm);
        spack(farm, peers, script, run);
        actions(farm, peers, run);
      }
      if (run + 1 == WARM_UP_RUNS) {
        rows.clear();
      }
    }
    rows.forEach(SchedulerBenchmark::print);
    System.out.println(
        "peak heap, clients and executors included: " + (peakHeapBytes() >> 20) + " MiB");
  }

  private void spack(TestFarm farm, BenchmarkPeers peers, Script script, int run) throws Exception {
    FarmGrpc.FarmStub client = FarmGrpc.newStub(peers.connect());
    Dag deep = SyntheticDags.layered(NODES, "deep" + run);
    Following first = new Following(client, farm.request(deep, "alice").build());
    row("2,000 nodes in 40 layers, Execute to accepted, s", first.accepted.get() / 1e9);

    // One after the other, so that a DAG is there as a whole when the first executor comes.
    Measured building = new Measured(farm);
    peers.startExecutors(EXECUTORS, SLOTS, script::end);
    assertEquals(RequestState.REQUEST_SUCCEEDED, first.finished.get());
    building.rows("the same, built by 64 executors with 4 slots", NODES);

    ExecuteRequest wide = farm.request(SyntheticDags.flat(NODES, "flat" + run), "bob").build();
    building = new Measured(farm);
    assertEquals(RequestState.REQUEST_SUCCEEDED, new Following(client, wide).finished.get());
    building.rows("2,000 nodes that wait for nothing, Execute included", NODES);

    ExecuteRequest suite = farm.request(SyntheticDags.suite("suite" + run), "carol").build();
    new Following(client, suite).finished.get();
    FarmGrpc.FarmStub second = FarmGrpc.newStub(peers.connect());
    for (int i = 0; i < REPEATS; i++) {
      long begun = System.nanoTime();
      new Following(second, suite).finished.get();
      row("9 nodes from a second client, Execute to answer, ms", (System.nanoTime() - begun) / 1e6);
    }
    long begun = System.nanoTime();
    new Following(second, farm.request(deep, "dora").build()).finished.get();
    row("2,000 nodes from a second client, Execute to answer, s", since(begun));
  }

  /** Distinct actions that run nothing, so many at once. */
  private void actions(TestFarm farm, BenchmarkPeers peers, int run) throws Exception {
    List<build.bazel.remote.execution.v2.ExecuteRequest> requests = new ArrayList<>();
    for (int i = 0; i < ACTIONS; i++) {
      Command command =
          Command.newBuilder().addArguments("/bin/true").addArguments(run + "." + i).build();
      Action action =
          Action.newBuilder()
              .setCommandDigest(put(farm, command))
              .setInputRootDigest(put(farm, Directory.getDefaultInstance()))
              .build();
      requests.add(
          build.bazel.remote.execution.v2.ExecuteRequest.newBuilder()
              .setActionDigest(put(farm, action))
              .build());
    }
    ExecutionGrpc.ExecutionStub client = ExecutionGrpc.newStub(peers.connect());
    Semaphore room = new Semaphore(ACTIONS_AT_ONCE);
    Measured running = new Measured(farm);
    for (build.bazel.remote.execution.v2.ExecuteRequest request : requests) {
      room.acquire();
      client.execute(
          request,
          new Answers<Operation>(
              operation -> {
                if (operation.getDone()) {
                  assertTrue(operation.hasResponse());
                  room.release();
                }
              }));
    }
    assertTrue(room.tryAcquire(ACTIONS_AT_ONCE, 60, TimeUnit.SECONDS));
    running.rows("actions that run nothing, 64 at once by one client", ACTIONS);
  }

  private static build.bazel.remote.execution.v2.Digest put(TestFarm farm, Message message) {
    return Wire.digest(farm.blobs.add(message.toByteArray()));
  }

  /** What executors answer: a success that names blobs which are there. */
  private static final class Script {
    private final CompleteRequest built;

    Script(TestFarm farm) {
      built =
          CompleteRequest.newBuilder()
              .setLog(Wire.digest(farm.text("log")))
              .setSpackBuild(
                  SpackBuildResult.newBuilder()
                      .setArchive(Wire.digest(farm.text("archive")))
                      .setArchiveMediaType("application/vnd.spack.install.v2.tar+gzip")
                      .setSpec(Wire.digest(farm.text("spec")))
                      .setSpecMediaType("application/vnd.spack.spec.v5+json"))
              .build();
    }

    CompleteRequest end(CompleteRequest.Builder outcome, Lease lease) {
      return lease.hasSpackBuild()
          ? outcome.mergeFrom(built).build()
          : outcome.setActionResult(ActionResult.getDefaultInstance()).build();
    }
  }

  /** A client of a request, from Execute to its end. */
  private static final class Following {
    final CompletableFuture<Long> accepted = new CompletableFuture<>();
    final CompletableFuture<RequestState> finished = new CompletableFuture<>();

    Following(FarmGrpc.FarmStub client, ExecuteRequest request) {
      long begun = System.nanoTime();
      client.execute(
          request,
          new Answers<ExecuteUpdate>(
              update -> {
                switch (update.getUpdateCase()) {
                  case ACCEPTED -> accepted.complete(System.nanoTime() - begun);
                  case FINISHED -> finished.complete(update.getFinished().getState());
                  case TASK, HEARTBEAT, UPDATE_NOT_SET -> {}
                }
              }));
    }
  }

  private record Answers<T>(Consumer<T> each) implements StreamObserver<T> {
    @Override
    public void onNext(T value) {
      each.accept(value);
    }

    @Override
    public void onError(Throwable t) {
      throw new AssertionError("a client's call failed", t);
    }

    @Override
    public void onCompleted() {}
  }

  /** What a number of leases costs, from now on. */
  private final class Measured {
    private final TestFarm farm;
    private final long begun = System.nanoTime();
    private final long commits;
    private final ThreadCosts before = ThreadCosts.now();

    Measured(TestFarm farm) {
      this.farm = farm;
      this.commits = farm.commits();
    }

    void rows(String what, int leases) {
      double seconds = since(begun);
      ThreadCosts after = ThreadCosts.now();
      Map<Kind, Double> costs = new EnumMap<>(Kind.class);
      for (Kind kind : Kind.values()) {
        costs.put(kind, (after.of(kind) - before.of(kind)) / 1e6 / leases);
      }
      double server =
          EnumSet.complementOf(EnumSet.of(Kind.PEERS, Kind.COMPILER)).stream()
              .mapToDouble(costs::get)
              .sum();
      row(what + ", leases/s", leases / seconds);
      row("  synced writes a lease", (farm.commits() - commits) / (double) leases, what);
      row("  CPU of the server, ms a lease", server, what);
      costs.forEach((kind, cost) -> row("    " + kind.title, cost, what));
    }
  }

  private void row(String name, double value) {
    rows.computeIfAbsent(name, n -> new ArrayList<>()).add(value);
  }

  /** A row that belongs to another. */
  private void row(String name, double value, String of) {
    row(name + "\0" + of, value);
  }

  private static void print(String name, List<Double> values) {
    List<Double> sorted = values.stream().sorted().toList();
    System.out.printf(
        Locale.ROOT,
        "%-64s median %8.3f   (%.3f to %.3f, n=%d)%n",
        name.split("\0", 2)[0],
        sorted.get(sorted.size() / 2),
        sorted.getFirst(),
        sorted.getLast(),
        sorted.size());
  }

  private static double since(long begun) {
    return (System.nanoTime() - begun) / 1e9;
  }

  private static long peakHeapBytes() {
    return ManagementFactory.getMemoryPoolMXBeans().stream()
        .filter(pool -> pool.getType() == MemoryType.HEAP)
        .map(MemoryPoolMXBean::getPeakUsage)
        .mapToLong(usage -> usage.getUsed())
        .sum();
  }
}
