package build.thresher.executor.core;

import static build.thresher.executor.core.FarmOnLoopback.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.outputs.PushedSpec;
import build.thresher.executor.spack.SpackTask;
import build.thresher.executor.testing.DirectoryBlobStore;
import build.thresher.executor.testing.RealSpack;
import build.thresher.executor.testing.RunningProcesses;
import build.thresher.executor.testing.SpackWorld;
import build.thresher.v1.Capabilities;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Fence;
import build.thresher.v1.Lease;
import build.thresher.v1.SpackBuildResult;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole executor with real Spack builds against a scheduler that does what the test says. */
final class ExecutorTest {
  private static final String NAME = "test-" + ProcessHandle.current().pid();

  private final Path temporary;
  private FarmOnLoopback loopback;
  private ScriptedFarm farm;
  private DirectoryBlobStore store;
  private SpackWorld world;
  private Executor executor;
  private int executions;

  ExecutorTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void start() throws Exception {
    loopback = FarmOnLoopback.startOrSkip(temporary);
    farm = loopback.farm();
    store = loopback.store();
    RealSpack spack = RealSpack.orSkip();
    world = new SpackWorld(spack, temporary.resolve("world"), store, "fl-suite.json");
    executor = loopback.executor(NAME);
  }

  @AfterEach
  void stop() throws Exception {
    if (loopback != null) {
      loopback.close();
    }
  }

  @Test
  void nodesAreLeasedBuiltUploadedAndReported() throws Exception {
    for (SpecNode node : world.toBuild("fl-core")) {
      build(node);
    }
    Capabilities capabilities = Objects.requireNonNull(farm.capabilities());
    assertTrue(capabilities.getCompatibleTargetsList().contains("x86_64"));
    assertTrue(
        capabilities.getExternalsList().stream()
            .anyMatch(e -> e.getName().equals("gcc") && !e.getFingerprint().isEmpty()));
    executor.close();
    try (Stream<Path> left = Files.list(temporary.resolve("work/executors/" + NAME))) {
      assertFalse(left.anyMatch(p -> p.endsWith("builds")));
    }
  }

  @Test
  void aRestartedServerIsToldWhatIsHeldAndGetsTheResult() throws Exception {
    farm.failCompletes(Status.UNAVAILABLE, Status.NOT_FOUND);
    Fence fence = offer(world.node("compiler-wrapper"));
    farm.forgetExecutors();
    CompleteRequest result = awaitCompletion(1);
    assertEquals(fence, result.getFence());
    assertTrue(result.hasSpackBuild());
    assertTrue(
        farm.heldAtRegister().stream().anyMatch(held -> held.contains(fence)),
        () -> "registered with " + farm.heldAtRegister());
  }

  @Test
  void whatTheStoreLostOfAResultIsUploadedAgain() throws Exception {
    List<Digest> lost = new CopyOnWriteArrayList<>();
    farm.beforeCompleteFails(
        request -> {
          lost.add(WireDigests.fromWire(request.getSpackBuild().getArchive()));
          lost.add(WireDigests.fromWire(request.getLog()));
          lost.forEach(this::lose);
        });
    farm.failCompletes(Status.FAILED_PRECONDITION);
    offer(world.node("compiler-wrapper"));
    assertTrue(awaitCompletion(1).hasSpackBuild());
    assertEquals(2, lost.size());
    assertEquals(Set.of(), store.findMissing(SpackWorld.SCOPE, lost));
  }

  @Test
  void inputsThatTheStoreLostAreNamed() throws Exception {
    SpackTask task = world.task(world.node("compiler-wrapper"));
    lose(task.core());
    lose(task.nodes().getLast());
    offer(task);
    Failure failure = awaitCompletion(1).getFailure();
    assertEquals(FailureClass.FAILURE_INPUT, failure.getFailureClass());
    assertEquals(
        Set.of(task.core(), task.nodes().getLast()),
        failure.getMissingBlobsList().stream()
            .map(WireDigests::fromWire)
            .collect(Collectors.toSet()));
  }

  private void lose(Digest digest) {
    try {
      assertTrue(store.delete(SpackWorld.SCOPE, digest));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aLeaseThatTheServerTakesAwayIsKilledAndNotReported() throws Exception {
    makeSlow();
    Fence fence = offer(world.node("compiler-wrapper"));
    await("the build sleeps", () -> farm.log(fence).contains("now sleeping"));
    farm.kill(fence);
    await("no process of the build is left", () -> !anySleeps());
    executor.close();
    assertEquals(0, farm.completed().size());
  }

  @Test
  void drainingReportsWhatIsCutShortAsTheFarmsFault() throws Exception {
    makeSlow();
    Fence fence = offer(world.node("compiler-wrapper"));
    await("the build sleeps", () -> farm.log(fence).contains("now sleeping"));
    executor.close();
    CompleteRequest result = awaitCompletion(1);
    assertEquals(FailureClass.FAILURE_INFRASTRUCTURE, result.getFailure().getFailureClass());
    assertFalse(anySleeps());
  }

  @Test
  void aWorkDirectoryThatBuildsCannotEnterIsRefusedAtStart() throws Exception {
    assumeTrue("root".equals(System.getProperty("user.name")), "only root changes the user");
    Path closed = Files.createDirectory(temporary.resolve("closed"));
    Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("rwx------"));
    ExecutorOptions options = ExecutorOptions.builder("other", closed.resolve("work")).build();
    HostNotReadyException refusal =
        assertThrows(
            HostNotReadyException.class, () -> Executor.start(options, loopback.channel(), store));
    assertTrue(
        String.valueOf(refusal.getMessage()).contains("may not enter " + closed),
        refusal.getMessage());
  }

  @Test
  void aSecondExecutorOfTheSameNameInTheSameDirectoryIsRefused() {
    ExecutorOptions options = ExecutorOptions.builder(NAME, temporary.resolve("work")).build();
    assertThrows(
        HostNotReadyException.class, () -> Executor.start(options, loopback.channel(), store));
  }

  /** At import, before anything is checked, so that the recipe's hash does not matter. */
  private void makeSlow() throws Exception {
    Files.writeString(
        world.recipes().resolve("builtin/packages/compiler_wrapper/package.py"),
        """

        import subprocess as _subprocess
        print("now sleeping", flush=True)
        _subprocess.run("%s".split())
        """
            .formatted(RunningProcesses.unique("sleep 3217")),
        StandardOpenOption.APPEND);
  }

  private static boolean anySleeps() {
    return RunningProcesses.sleeps("3217");
  }

  private void build(SpecNode node) throws Exception {
    int before = farm.completed().size();
    Fence fence = offer(node);
    CompleteRequest result = awaitCompletion(before + 1);
    assertEquals(fence, result.getFence());
    assertTrue(result.hasSpackBuild(), () -> result + farm.log(fence));
    SpackBuildResult built = result.getSpackBuild();
    world.built(
        node,
        new PushedSpec(
            WireDigests.fromWire(built.getArchive()),
            built.getArchiveMediaType(),
            WireDigests.fromWire(built.getSpec()),
            built.getSpecMediaType()));
    String whole =
        new String(
            store.readAll(SpackWorld.SCOPE, WireDigests.fromWire(result.getLog())),
            java.nio.charset.StandardCharsets.UTF_8);
    assertEquals(whole, farm.log(fence));
    assertTrue(whole.contains(node.name()), whole);
  }

  private Fence offer(SpecNode node) throws Exception {
    return offer(world.task(node));
  }

  private Fence offer(SpackTask task) {
    Lease lease = TestLeases.of(task, ++executions);
    farm.offer(lease);
    return lease.getFence();
  }

  private CompleteRequest awaitCompletion(int count) throws Exception {
    await(count + " completions", () -> farm.completed().size() >= count);
    return farm.completed().get(count - 1);
  }
}
