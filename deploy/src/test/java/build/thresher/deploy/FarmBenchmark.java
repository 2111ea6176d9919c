package build.thresher.deploy;

import build.bazel.remote.execution.v2.ActionResult;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.cas.client.WireDigests;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.testing.bench.Figures;
import build.thresher.testing.bench.NoOpActions;
import build.thresher.testing.bench.Peers;
import build.thresher.testing.bench.SyntheticDags;
import build.thresher.v1.CancelRequest;
import build.thresher.v1.Capabilities;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.SpackInputs;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.logging.Level;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Figures of a whole server with its stores on disk, in this process, printed and not asserted:
 * {@code ./thresher bench scheduler}. Executors run nothing, so what is measured is all that the
 * server does. The first runs warm up and are not counted.
 */
@Tag("benchmark")
@Timeout(900)
class FarmBenchmark {
  private static final int WARM_UP_RUNS = 2;
  private static final int RUNS = Integer.getInteger("thresher.bench.runs", 5);
  private static final int NODES = 2000;
  private static final int EXECUTORS = 16;
  private static final int SLOTS = 4;
  private static final int ACTIONS = 4000;
  private static final int ACTIONS_AT_ONCE = 64;

  @TempDir Path directory = Path.of("");
  private final Figures figures = new Figures();

  @Test
  void figures() throws Exception {
    // As the program logs, which is part of the cost, but not onto the screen.
    PrintStream lines = new PrintStream(Files.newOutputStream(directory.resolve("log")));
    Logs.toFile(lines, Level.INFO);
    for (int run = 0; run < WARM_UP_RUNS + RUNS; run++) {
      Path data = directory.resolve("run" + run);
      Path token = directory.resolve("token");
      List<String> settings =
          List.of(
              "data=" + data,
              "access.token_file=" + token,
              "grpc.listen=127.0.0.1:0",
              "http.listen=127.0.0.1:0");
      try (FarmServer farm = FarmServer.start(FarmConfig.load(null, Map.of(), settings));
          Peers peers = new Peers(farm.grpcTarget(), Files.readString(token).strip())) {
        RemoteBlobStore store = new RemoteBlobStore(peers.connect(), "");
        accept(peers, store, run);
        actions(peers, store, run);
      }
      if (run + 1 == WARM_UP_RUNS) {
        figures.clear();
      }
    }
    figures.print();
  }

  /** Nobody builds it; what is there at the end is cancelled. */
  private void accept(Peers peers, RemoteBlobStore store, int run) throws Exception {
    Blob dag = Blob.of(SyntheticDags.layered(NODES, "deep" + run).document());
    Blob input = Blob.of("input".getBytes(StandardCharsets.UTF_8));
    store.putAll(Scope.farm("default"), List.of(dag, input));
    ExecuteRequest request =
        ExecuteRequest.newBuilder()
            .setDag(WireDigests.toWire(dag.digest()))
            .setInputs(
                SpackInputs.newBuilder()
                    .setCore(WireDigests.toWire(input.digest()))
                    .setRecipes(WireDigests.toWire(input.digest()))
                    .setConfiguration(WireDigests.toWire(input.digest())))
            .build();
    CompletableFuture<String> accepted = new CompletableFuture<>();
    Figures.Measured accepting = figures.measure();
    FarmGrpc.newStub(peers.connect())
        .execute(
            request,
            peers.<ExecuteUpdate>each(
                update -> {
                  if (update.hasAccepted()) {
                    accepted.complete(update.getAccepted().getRequestId());
                  }
                }));
    String id = accepted.get();
    accepting.end("whole server: 2,000 nodes in 40 layers, Execute to accepted");
    FarmGrpc.newBlockingStub(peers.connect())
        .cancel(CancelRequest.newBuilder().setRequestId(id).build());
  }

  private void actions(Peers peers, RemoteBlobStore store, int run) throws Exception {
    NoOpActions actions = new NoOpActions(ACTIONS, "run" + run);
    List<Blob> blobs = new ArrayList<>();
    actions.blobs().forEach(bytes -> blobs.add(Blob.of(bytes)));
    store.putAll(Scope.farm("default"), blobs);
    peers.startExecutors(
        EXECUTORS,
        SLOTS,
        Capabilities.getDefaultInstance(),
        (outcome, lease) -> outcome.setActionResult(ActionResult.getDefaultInstance()).build());
    Figures.Measured running = figures.measure();
    actions.run(peers, ACTIONS_AT_ONCE);
    running.endOfLeases("whole server: actions that run nothing, 64 at once", ACTIONS);
  }
}
