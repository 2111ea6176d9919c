package build.thresher.executor.core;

import static build.thresher.executor.core.FarmOnLoopback.await;
import static build.thresher.executor.testing.RunningProcesses.unique;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.execution.v2.Command;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.TreeUploader;
import build.thresher.executor.core.ExecutorProcess.Bounds;
import build.thresher.executor.testing.Attacks;
import build.thresher.executor.testing.DirectoryBlobStore;
import build.thresher.executor.testing.ExecutorMain;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Fence;
import build.thresher.v1.Lease;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Executors in processes of their own: killed, stopped, two on one host, as ordinary users. */
final class ExecutorLifeTest {
  private static final boolean ROOT = "root".equals(System.getProperty("user.name"));
  private static final String NAME = "life-" + ProcessHandle.current().pid();

  private final Path temporary;
  private FarmOnLoopback loopback;
  private ScriptedFarm farm;
  private DirectoryBlobStore store;
  private int executions;

  ExecutorLifeTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void open() throws Exception {
    loopback = FarmOnLoopback.startOrSkip(temporary);
    farm = loopback.farm();
    store = loopback.store();
  }

  @AfterEach
  void close() throws Exception {
    if (loopback != null) {
      loopback.close();
    }
  }

  private ExecutorProcess start(List<String> as, String name, Path work, Bounds bounds)
      throws IOException {
    return loopback.process(as, Map.of(), name, work, 2, bounds);
  }

  private static Bounds grace(long seconds) {
    return new Bounds(600, 1L << 30, 100, 1L << 30, 10_000, 1 << 20, seconds);
  }

  /** With enough inputs that the root is mounted, where the executor can. */
  private Fence offer(String script) throws IOException {
    LocalTree.Builder inputs = LocalTree.builder();
    for (int i = 0; i < 20; i++) {
      inputs.addBytes("input" + i, new byte[0], false);
    }
    LocalTree tree = inputs.build();
    new TreeUploader(store, Scope.farm("")).upload(tree);
    Command.Builder command =
        Command.newBuilder().addAllArguments(List.of("/bin/sh", "-c", unique(script)));
    Lease lease = TestLeases.of(store, command, tree.root(), List.of(), ++executions);
    farm.offer(lease);
    return lease.getFence();
  }

  /** Or is about to: on the command line of what starts it, too. */
  private static boolean sleeps(String seconds) {
    return ExecutorProcess.anyRuns(unique("sleep " + seconds));
  }

  private static List<Path> controlGroups(String part) throws IOException {
    List<Path> found = new ArrayList<>();
    Files.walkFileTree(
        Path.of("/sys/fs/cgroup"),
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path group, BasicFileAttributes attributes) {
            if (String.valueOf(group.getFileName()).contains(part)) {
              found.add(group);
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path gone, IOException failure) {
            return FileVisitResult.CONTINUE; // Others on this host come and go.
          }

          @Override
          public FileVisitResult postVisitDirectory(Path gone, @Nullable IOException failure) {
            return FileVisitResult.CONTINUE;
          }
        });
    return found;
  }

  private static boolean mountedBelow(Path directory) throws IOException {
    return Files.readString(Path.of("/proc/self/mountinfo")).contains(directory.toString());
  }

  @Test
  void whatAKilledExecutorLeavesIsClearedByTheNextOfAnotherName() throws Exception {
    clearedBy("another-" + NAME);
  }

  @Test
  void whatAKilledExecutorLeavesIsClearedByItselfStartedAgain() throws Exception {
    clearedBy(NAME);
  }

  private void clearedBy(String next) throws Exception {
    Path work = Files.createDirectory(temporary.resolve("work"));
    ExecutorProcess killed = start(List.of(), NAME, work, grace(20));
    offer("setsid sleep 4411 & sleep 4411; echo > left-over");
    await("the action sleeps", () -> users("sleep 4411").size() == 2);
    killed.kill();
    await("processes die with their executor", () -> !sleeps("4411"));
    Path actions = work.resolve("executors/" + NAME + "/actions");
    assertNotEquals(List.of(), Attacks.children(actions), "this test needs leftovers");
    if (ROOT) {
      assertTrue(mountedBelow(actions), "this test needs mounts that are left");
      assertNotEquals(List.of(), controlGroups("thresher-" + NAME));
    }
    start(List.of(), next, work, grace(20));
    assertTrue(!Files.exists(actions) || Attacks.children(actions).isEmpty());
    assertFalse(mountedBelow(actions));
    if (!next.equals(NAME)) {
      assertEquals(List.of(), controlGroups("thresher-" + NAME + "-"));
    }
    Fence fence = offer("echo fine");
    await(
        "the next one works",
        () -> farm.completed().stream().anyMatch(c -> c.getFence().equals(fence)));
  }

  /**
   * Also in the moment between the start of a sandbox and its being tied to the executor, and where
   * there are no control groups that would know what was left.
   */
  @Test
  void nothingIsLeftWhenAnExecutorWasKilledAsAnActionStarted() throws Exception {
    List<String> as = ROOT ? ExecutorProcess.asOrdinaryUser() : List.of();
    for (int i = 0; i < 3; i++) {
      Path work = Files.createDirectory(temporary.resolve("work" + i));
      if (ROOT) {
        ExecutorProcess.giveToOrdinaryUser(work);
      }
      ExecutorProcess killed = start(as, NAME, work, grace(20));
      offer("sleep 4416");
      await("the action is about to start", () -> sleeps("4416"));
      killed.kill();
      start(as, NAME, work, grace(0)).close();
      await("nothing is left", () -> !sleeps("4416"));
    }
  }

  @Test
  void aStoppedExecutorEndsWhatEndsInItsGraceAndGivesTheRestBack() throws Exception {
    Path work = Files.createDirectory(temporary.resolve("work"));
    ExecutorProcess executor = start(List.of(), NAME, work, grace(10));
    Fence goesOn = offer("sleep 4413");
    await("one sleeps", () -> sleeps("4413"));
    Fence ends = offer("sleep 2.4412");
    await("the other sleeps too", () -> sleeps("2.4412"));
    String said = executor.stop(Duration.ofSeconds(60));
    assertTrue(said.contains("drained"), said);
    assertFalse(sleeps("4413"));
    List<CompleteRequest> completed = farm.completed();
    assertEquals(List.of(ends, goesOn), completed.stream().map(CompleteRequest::getFence).toList());
    assertEquals(0, completed.getFirst().getActionResult().getExitCode());
    Failure failure = completed.getLast().getFailure();
    assertEquals(FailureClass.FAILURE_INFRASTRUCTURE, failure.getFailureClass());
    assertTrue(failure.getMessage().contains("the executor was stopped"), failure.getMessage());
    assertFalse(Files.exists(work.resolve("executors/" + NAME + "/actions")));
    assertFalse(mountedBelow(work));
    assertEquals(List.of(), controlGroups("thresher-" + NAME + "-"));
  }

  @Test
  void twoExecutorsOfOneHostNeverRunBuildsAsTheSameUser() throws Exception {
    assumeTrue(ROOT, "only root runs builds as users of their own");
    start(List.of(), NAME + "a", Files.createDirectory(temporary.resolve("a")), grace(0));
    start(List.of(), NAME + "b", Files.createDirectory(temporary.resolve("b")), grace(0));
    for (int i = 0; i < 4; i++) {
      offer("exec sleep 4414");
    }
    await("four actions sleep", () -> users("sleep 4414").size() == 4);
    assertEquals(2, users("sleep 4414").stream().distinct().count());
  }

  private static List<String> users(String command) {
    return ProcessHandle.allProcesses()
        .map(p -> Path.of("/proc/" + p.pid()))
        .filter(p -> text(p.resolve("cmdline")).equals(unique(command).replace(' ', '\0') + "\0"))
        .map(p -> text(p.resolve("status")).replaceAll("(?s).*\nUid:\\s+([0-9]+).*", "$1"))
        .toList();
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return "";
    }
  }

  @Test
  void anOrdinaryUserRunsActionsAsHimself() throws Exception {
    assumeTrue(ROOT, "only root can become another user");
    Path work = Files.createDirectory(temporary.resolve("work"));
    ExecutorProcess.giveToOrdinaryUser(work);
    ExecutorProcess executor = start(ExecutorProcess.asOrdinaryUser(), NAME, work, grace(0));
    assertTrue(executor.isReady(), executor.said());
    offer("exec sleep 4415");
    await("the action sleeps", () -> !users("sleep 4415").isEmpty());
    assertEquals(List.of(Integer.toString(ExecutorProcess.ORDINARY_USER)), users("sleep 4415"));
  }

  @Test
  void whereAnOrdinaryUserMayMakeNoNamespacesItSaysWhatToDo() throws Exception {
    assumeTrue(ROOT, "only root can become another user");
    Path work = Files.createDirectory(temporary.resolve("work"));
    ExecutorProcess.giveToOrdinaryUser(work);
    ExecutorProcess executor = start(withoutNamespaces(), NAME, work, grace(20));
    assertFalse(executor.isReady(), executor.said());
    assertTrue(executor.said().contains("refused: "), executor.said());
    assertTrue(executor.said().contains("max_user_namespaces"), executor.said());
    assertTrue(executor.process().waitFor(10, java.util.concurrent.TimeUnit.SECONDS));
  }

  /** An ordinary user who may make none. */
  private static List<String> withoutNamespaces() {
    List<String> as = new ArrayList<>(ExecutorProcess.asOrdinaryUser());
    as.addAll(
        List.of(
            "unshare",
            "--user",
            "--map-current-user",
            "--keep-caps",
            "sh",
            "-c",
            "echo 0 > /proc/sys/user/max_user_namespaces"
                + " && exec setpriv --inh-caps=-all --ambient-caps=-all \"$@\"",
            "sh"));
    return as;
  }

  @Test
  void withoutASandboxActionsRunThereAndNothingOutlivesTheExecutor() throws Exception {
    assumeTrue(ROOT, "only root can become another user");
    List<String> users = plainAndKilled(withoutNamespaces());
    String own = Integer.toString(ExecutorProcess.ORDINARY_USER);
    assertEquals(List.of(own, own), users);
  }

  @Test
  void withoutASandboxNothingOutlivesAKilledExecutorThatIsRoot() throws Exception {
    assumeTrue(ROOT, "needs root");
    assertFalse(plainAndKilled(List.of()).contains("0"));
  }

  /** Returns as whom actions ran. */
  private List<String> plainAndKilled(List<String> as) throws Exception {
    Path work = Files.createDirectory(temporary.resolve("work"));
    ExecutorProcess.giveToOrdinaryUser(work);
    Map<String, String> plain = Map.of(ExecutorMain.PLAIN, "true");
    ExecutorProcess executor = loopback.process(as, plain, NAME, work, 2, grace(20));
    assertTrue(executor.isReady(), executor.said());
    Fence ends = offer("echo ended");
    await("an action ends", () -> !farm.completed().isEmpty());
    assertEquals(ends, farm.completed().getFirst().getFence());
    assertEquals(0, farm.completed().getFirst().getActionResult().getExitCode());
    offer("setsid sleep 4418 & sleep 4418");
    await("the action sleeps", () -> users("sleep 4418").size() == 2);
    List<String> users = users("sleep 4418");
    executor.kill();
    await("processes die with their executor", () -> !sleeps("4418"));
    return users;
  }
}
