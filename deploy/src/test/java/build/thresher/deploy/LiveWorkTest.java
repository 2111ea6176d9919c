package build.thresher.deploy;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.OutputFile;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.cas.client.WireDigests;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.testing.Dag;
import build.thresher.v1.CancelRequest;
import build.thresher.v1.Capabilities;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.NodeSources;
import build.thresher.v1.RegisterRequest;
import build.thresher.v1.Source;
import build.thresher.v1.SourceList;
import build.thresher.v1.SpackInputs;
import com.google.longrunning.Operation;
import com.google.longrunning.OperationsGrpc;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A store of 6 MB through which far more goes while work waits: a whole farm, and a moved clock.
 */
class LiveWorkTest {
  private static final Scope SCOPE = new Scope("default", "test");
  private static final Duration STEP = Duration.ofMinutes(55);
  private static final int GARBAGE = 1_000_000;
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  @TempDir Path directory;
  private final AtomicReference<Instant> now =
      new AtomicReference<>(Instant.parse("2026-01-01T00:30:00Z"));
  private final Random random = new Random(1);
  private final Map<String, Digest> needed = new LinkedHashMap<>();

  private FarmServer start() throws Exception {
    return FarmServer.start(
        FarmConfig.load(
            null,
            Map.of(),
            List.of(
                "data=" + directory.resolve("data"),
                "access.token_file=" + directory.resolve("token"),
                "grpc.listen=127.0.0.1:0",
                "http.listen=127.0.0.1:0",
                "store.max_size=6MB",
                "store.lifetime=1h")),
        this::now);
  }

  private Instant now() {
    return Objects.requireNonNull(now.get());
  }

  private ManagedChannel connect(FarmServer farm) throws Exception {
    return FarmChannel.configured(
        NettyChannelBuilder.forTarget(farm.grpcTarget()).usePlaintext(),
        Files.readString(directory.resolve("token")).strip());
  }

  private Digest needed(RemoteBlobStore store, String what, byte[] bytes) throws Exception {
    Digest digest = store.put(SCOPE, bytes);
    needed.put(what, digest);
    return digest;
  }

  /** A file two directories down. */
  private build.bazel.remote.execution.v2.Digest tree(RemoteBlobStore store, String name)
      throws Exception {
    Digest file = needed(store, name + "/a/b/file", ("content of " + name).getBytes(UTF_8));
    Directory b =
        Directory.newBuilder()
            .addFiles(FileNode.newBuilder().setName("file").setDigest(WireDigests.toWire(file)))
            .build();
    Directory a = above("b", needed(store, name + "/a/b", b.toByteArray()));
    Directory root = above("a", needed(store, name + "/a", a.toByteArray()));
    return WireDigests.toWire(needed(store, name, root.toByteArray()));
  }

  private static Directory above(String name, Digest below) {
    return Directory.newBuilder()
        .addDirectories(
            DirectoryNode.newBuilder().setName(name).setDigest(WireDigests.toWire(below)))
        .build();
  }

  /** Time passes, and others use the store. */
  private List<Digest> pass(FarmServer farm, RemoteBlobStore store, Duration time)
      throws Exception {
    List<Digest> garbage = new ArrayList<>();
    for (Instant end = now().plus(time); now().isBefore(end); ) {
      Instant then = now().plus(STEP);
      now.set(then);
      awaitRound(farm, then);
      byte[] bytes = new byte[GARBAGE];
      random.nextBytes(bytes);
      garbage.add(store.put(SCOPE, bytes));
    }
    return garbage;
  }

  private static void awaitRound(FarmServer farm, Instant then) throws InterruptedException {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (farm.keptBlobs().isBefore(then)) {
      assertTrue(System.nanoTime() < deadline, "no round of housekeeping since " + then);
      Thread.sleep(20);
    }
  }

  private void assertAllThere(RemoteBlobStore store) throws Exception {
    Set<Digest> missing = store.findMissing(SCOPE, needed.values());
    assertEquals(
        List.of(),
        needed.keySet().stream().filter(what -> missing.contains(needed.get(what))).toList());
  }

  private String spack(RemoteBlobStore store, FarmGrpc.FarmBlockingStub client) throws Exception {
    Dag dag = new Dag().node("zlib").node("root", "zlib");
    Digest source = needed(store, "source", "a tarball".getBytes(UTF_8));
    SourceList sources =
        SourceList.newBuilder()
            .addNodes(
                NodeSources.newBuilder()
                    .setHash(dag.hash("zlib"))
                    .addSources(Source.newBuilder().setDigest(WireDigests.toWire(source))))
            .build();
    build.thresher.v1.ExecuteRequest request =
        build.thresher.v1.ExecuteRequest.newBuilder()
            .setDag(WireDigests.toWire(needed(store, "document", dag.document())))
            .setInputs(
                SpackInputs.newBuilder()
                    .setCore(tree(store, "core"))
                    .setRecipes(tree(store, "recipes"))
                    .setConfiguration(tree(store, "configuration")))
            .setSources(WireDigests.toWire(needed(store, "sources", sources.toByteArray())))
            .build();
    String id = client.execute(request).next().getAccepted().getRequestId();
    for (SpecNode node : SpecDocument.parse(dag.document()).nodes().values()) {
      needed.put("text of " + node.name(), Digest.of(node.json()));
    }
    return id;
  }

  private Operation action(RemoteBlobStore store, ManagedChannel channel, String name)
      throws Exception {
    Command command =
        Command.newBuilder().addArguments("/bin/" + name).addOutputPaths("out").build();
    Action action =
        Action.newBuilder()
            .setCommandDigest(
                WireDigests.toWire(needed(store, name + "'s command", command.toByteArray())))
            .setInputRootDigest(tree(store, name + "'s input root"))
            .build();
    Iterator<Operation> operations =
        ExecutionGrpc.newBlockingStub(channel)
            .execute(
                ExecuteRequest.newBuilder()
                    .setActionDigest(WireDigests.toWire(needed(store, name, action.toByteArray())))
                    .build());
    return operations.next();
  }

  private static ExecutorsGrpc.ExecutorsBlockingStub executor(ManagedChannel channel) {
    ExecutorsGrpc.ExecutorsBlockingStub executors = ExecutorsGrpc.newBlockingStub(channel);
    executors.register(
        RegisterRequest.newBuilder()
            .setExecutor("e")
            .setIncarnation("1")
            .setSlots(1)
            .setCapabilities(
                Capabilities.newBuilder()
                    .setPlatform("linux")
                    .setOperatingSystem("debian12")
                    .setTarget("x86_64_v3"))
            .build());
    return executors;
  }

  private static Lease lease(ExecutorsGrpc.ExecutorsBlockingStub executors) {
    return executors
        .lease(
            LeaseRequest.newBuilder()
                .setExecutor("e")
                .setIncarnation("1")
                .setMaxLeases(1)
                .setWait(com.google.protobuf.Duration.newBuilder().setSeconds(20))
                .build())
        .getLeases(0);
  }

  @Test
  void whatQueuedWorkNamesStaysHoweverLongItWaitsAndGoesSomeTimeAfterItsEnd() throws Exception {
    String request;
    String operation;
    Digest output;
    List<Digest> garbage = new ArrayList<>();
    try (FarmServer farm = start()) {
      ManagedChannel channel = connect(farm);
      RemoteBlobStore store = new RemoteBlobStore(channel, "default");
      ExecutorsGrpc.ExecutorsBlockingStub executors = executor(channel);
      action(store, channel, "first");
      Lease lease = lease(executors);
      output = store.put(SCOPE, "made by the first".getBytes(UTF_8));
      executors.complete(
          CompleteRequest.newBuilder()
              .setExecutor("e")
              .setIncarnation("1")
              .setFence(lease.getFence())
              .setActionResult(
                  ActionResult.newBuilder()
                      .addOutputFiles(
                          OutputFile.newBuilder()
                              .setPath("out")
                              .setDigest(WireDigests.toWire(output))))
              .build());
      List<Digest> ofTheFirst = List.copyOf(needed.values());
      needed.clear();

      operation = action(store, channel, "second").getName();
      request = spack(store, FarmGrpc.newBlockingStub(channel));
      assertTrue(needed.size() > 20, "the test knows what live work names");
      garbage.addAll(pass(farm, store, Duration.ofHours(9)));

      assertAllThere(store);
      assertFalse(store.findMissing(SCOPE, garbage).isEmpty(), "nothing was evicted");
      assertFalse(store.findMissing(SCOPE, ofTheFirst).isEmpty(), "what is over stayed");
      assertEquals(
          Set.of(output), store.findMissing(SCOPE, List.of(output)), "what is over stayed");
      channel.shutdownNow();
    }
    now.updateAndGet(instant -> instant.plus(Duration.ofHours(2))); // the server is away
    try (FarmServer farm = start()) {
      ManagedChannel channel = connect(farm);
      RemoteBlobStore store = new RemoteBlobStore(channel, "default");
      ExecutorsGrpc.ExecutorsBlockingStub unused = executor(channel);
      pass(farm, store, Duration.ofHours(8));
      assertAllThere(store);

      FarmGrpc.newBlockingStub(channel)
          .cancel(CancelRequest.newBuilder().setRequestId(request).build());
      OperationsGrpc.newBlockingStub(channel)
          .cancelOperation(
              com.google.longrunning.CancelOperationRequest.newBuilder()
                  .setName(operation)
                  .build());
      pass(farm, store, Duration.ofHours(9));
      assertEquals(
          Set.copyOf(needed.values()),
          Set.copyOf(store.findMissing(SCOPE, needed.values())),
          "what nobody needs any more goes");
      channel.shutdownNow();
    }
  }
}
