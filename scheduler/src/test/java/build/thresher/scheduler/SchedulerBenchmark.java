package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.bazel.remote.execution.v2.ActionResult;
import build.thresher.scheduler.wire.Wire;
import build.thresher.testing.Dag;
import build.thresher.testing.bench.Figures;
import build.thresher.testing.bench.NoOpActions;
import build.thresher.testing.bench.Peers;
import build.thresher.testing.bench.SyntheticDags;
import build.thresher.v1.Capabilities;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Lease;
import build.thresher.v1.RequestState;
import build.thresher.v1.SpackBuildResult;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Figures of the scheduler behind a real gRPC server with a task store on disk, printed and not
 * asserted: {@code ./thresher bench scheduler}. Blobs, mirror and action cache are in memory, and
 * executors build nothing: what is measured is the scheduler.
 *
 * <p>The first runs warm up and are not counted.
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

  private final Figures figures = new Figures();

  @Test
  void figures() throws Exception {
    for (int run = 0; run < WARM_UP_RUNS + RUNS; run++) {
      try (TestFarm farm = new TestFarm(directory.resolve("run" + run));
          Peers peers = new Peers("127.0.0.1:" + farm.port(), "")) {
        Script script = new Script(farm);
        spack(farm, peers, script, run);
        actions(farm, peers, run);
      }
      if (run + 1 == WARM_UP_RUNS) {
        figures.clear();
      }
    }
    figures.print();
  }

  private void spack(TestFarm farm, Peers peers, Script script, int run) throws Exception {
    FarmGrpc.FarmStub client = FarmGrpc.newStub(peers.connect());
    Dag deep = SyntheticDags.layered(NODES, "deep" + run);
    ExecuteRequest request = farm.request(deep, "alice").build();
    Figures.Measured accepting = figures.measure();
    Following first = new Following(peers, client, request);
    first.accepted.get();
    accepting.end("2,000 nodes in 40 layers, Execute to accepted");

    // One after the other, so that a DAG is there as a whole when the first executor comes.
    Capabilities capabilities = ScriptedExecutor.capabilities().build();
    measured(
        farm,
        "the same, built by 64 executors with 4 slots",
        NODES,
        () -> {
          peers.startExecutors(EXECUTORS, SLOTS, capabilities, script::end);
          assertEquals(RequestState.REQUEST_SUCCEEDED, first.finished.get());
        });

    ExecuteRequest wide = farm.request(SyntheticDags.flat(NODES, "flat" + run), "bob").build();
    measured(
        farm,
        "2,000 nodes that wait for nothing, Execute included",
        NODES,
        () -> {
          Following all = new Following(peers, client, wide);
          assertEquals(RequestState.REQUEST_SUCCEEDED, all.finished.get());
        });

    ExecuteRequest suite = farm.request(SyntheticDags.suite("suite" + run), "carol").build();
    new Following(peers, client, suite).finished.get();
    FarmGrpc.FarmStub second = FarmGrpc.newStub(peers.connect());
    for (int i = 0; i < REPEATS; i++) {
      long begun = System.nanoTime();
      new Following(peers, second, suite).finished.get();
      figures.add(
          "9 nodes from a second client, Execute to answer, ms", (System.nanoTime() - begun) / 1e6);
    }
    long begun = System.nanoTime();
    new Following(peers, second, farm.request(deep, "dora").build()).finished.get();
    figures.add("2,000 nodes from a second client, Execute to answer, s", since(begun));
  }

  private void actions(TestFarm farm, Peers peers, int run) throws Exception {
    NoOpActions actions = new NoOpActions(ACTIONS, "run" + run);
    actions.blobs().forEach(farm.blobs::add);
    measured(
        farm,
        "actions that run nothing, 64 at once by one client",
        ACTIONS,
        () -> actions.run(peers, ACTIONS_AT_ONCE));
  }

  private interface Body {
    void run() throws Exception;
  }

  /** So many leases, with the synced writes that they cost. */
  private void measured(TestFarm farm, String what, int leases, Body body) throws Exception {
    long commits = farm.commits();
    Figures.Measured measured = figures.measure();
    body.run();
    measured.endOfLeases(what, leases);
    figures.add("  synced writes a lease", (farm.commits() - commits) / (double) leases, what);
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
    final CompletableFuture<Boolean> accepted = new CompletableFuture<>();
    final CompletableFuture<RequestState> finished = new CompletableFuture<>();

    Following(Peers peers, FarmGrpc.FarmStub client, ExecuteRequest request) {
      client.execute(
          request,
          peers.<ExecuteUpdate>each(
              update -> {
                switch (update.getUpdateCase()) {
                  case ACCEPTED -> accepted.complete(true);
                  case FINISHED -> finished.complete(update.getFinished().getState());
                  case TASK, HEARTBEAT, UPDATE_NOT_SET -> {}
                }
              }));
    }
  }

  private static double since(long begun) {
    return (System.nanoTime() - begun) / 1e9;
  }
}
