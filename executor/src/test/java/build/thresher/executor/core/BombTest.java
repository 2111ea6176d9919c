package build.thresher.executor.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.execution.v2.Command;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.TreeUploader;
import build.thresher.executor.core.ExecutorProcess.Bounds;
import build.thresher.executor.testing.Attacks;
import build.thresher.executor.testing.DirectoryBlobStore;
import build.thresher.executor.testing.RealControlGroups;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Lease;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every bomb of the corpus, as a real action of a real executor: each ends as it should, nothing of
 * it is left, and the executor goes on.
 */
final class BombTest {
  private static final Scope SCOPE = Scope.farm(TestLeases.INSTANCE);
  private static final boolean ROOT = "root".equals(System.getProperty("user.name"));
  private static final String NAME = "bombed-" + ProcessHandle.current().pid();

  /** On the command line of each. */
  private static final String MARK = "mark-" + NAME;

  /** Eight seconds; 256 MiB of memory, 64 MiB of disk. */
  private static final Bounds TIGHT = new Bounds(8, 256 << 20, 100, 64 << 20, 1000, 1 << 20, 20);

  /** Where control groups limit memory and processes. */
  private static final Map<String, String> ENDS =
      Map.ofEntries(
          Map.entry("processes", "FAILURE_INFRASTRUCTURE"),
          Map.entry("processes-that-never-give-up", "FAILURE_TIMEOUT"),
          Map.entry("threads", "FAILURE_INFRASTRUCTURE"),
          Map.entry("memory", "FAILURE_OUT_OF_MEMORY"),
          Map.entry("memory-of-many-processes", "FAILURE_OUT_OF_MEMORY"),
          Map.entry("shared-memory", "FAILURE_OUT_OF_MEMORY"),
          Map.entry("disk", "FAILURE_INPUT"),
          Map.entry("disk-by-one-file", "fails"),
          Map.entry("disk-without-names", "FAILURE_INPUT"),
          Map.entry("disk-by-a-hole", "fails"),
          Map.entry("files", "FAILURE_INPUT"),
          Map.entry("depth", "FAILURE_INPUT"),
          Map.entry("long-and-strange-names", "ends well"),
          Map.entry("closed-directories", "ends well"),
          Map.entry("descriptors", "fails"),
          Map.entry("pipes", "ends well"),
          Map.entry("terminals", "fails"),
          Map.entry("output", "ends well"),
          Map.entry("output-in-one-line", "ends well"),
          Map.entry("hang", "FAILURE_TIMEOUT"),
          Map.entry("stop", "FAILURE_TIMEOUT"),
          Map.entry("burn", "FAILURE_TIMEOUT"),
          Map.entry("daemon", "ends well"),
          Map.entry("daemon-that-holds-the-output", "ends well"),
          Map.entry("kill-all", "ends well"));

  /** Without them. */
  private static final Map<String, String> ENDS_WITHOUT_CONTROL_GROUPS =
      Map.of("processes", "fails", "threads", "fails", "shared-memory", "fails");

  /** They write as much as they may; on a host that has much else to do their time ends first. */
  private static final Set<String> SLOW = Set.of("shared-memory", "disk-by-one-file");

  private final Path temporary;
  private FarmOnLoopback loopback;
  private ScriptedFarm farm;
  private DirectoryBlobStore store;
  private Path work;

  BombTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void open() throws Exception {
    loopback = FarmOnLoopback.startOrSkip(temporary);
    farm = loopback.farm();
    store = loopback.store();
    work = Files.createDirectory(temporary.resolve("work"));
  }

  @AfterEach
  void close() throws Exception {
    if (loopback != null) {
      loopback.close();
    }
  }

  @Test
  void asRootEveryBombEndsAsItShould() throws Exception {
    assumeTrue(ROOT, "only root can start an executor as root");
    assumeTrue(RealControlGroups.have("pids"), "no control groups that this test knows");
    explodeAll(List.of(), ENDS);
  }

  @Test
  void asAnOrdinaryUserEveryBombEndsAsItShould() throws Exception {
    Map<String, String> ends = new LinkedHashMap<>(ENDS);
    ends.putAll(ENDS_WITHOUT_CONTROL_GROUPS);
    if (ROOT) {
      ExecutorProcess.giveToOrdinaryUser(work);
      explodeAll(ExecutorProcess.asOrdinaryUser(), ends);
    } else {
      explodeAll(List.of(), ends);
    }
  }

  private void explodeAll(List<String> as, Map<String, String> expected) throws Exception {
    ExecutorProcess started = loopback.process(as, Map.of(), NAME, work, 4, TIGHT);
    assertTrue(started.isReady(), started.said());
    LocalTree inputs =
        LocalTree.builder().addBytes("bombs.py", Attacks.script("bombs.py"), false).build();
    new TreeUploader(store, SCOPE).upload(inputs);
    Map<String, Future<CompleteRequest>> runs = new LinkedHashMap<>();
    int execution = 0;
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (String bomb : expected.keySet()) {
        Command.Builder command =
            Command.newBuilder().addAllArguments(List.of("python3", "bombs.py", bomb, MARK));
        Lease lease = TestLeases.of(store, command, inputs.root(), List.of(), ++execution);
        runs.put(bomb, threads.submit(() -> farm.run(lease)));
      }
    }
    List<String> wrong = new ArrayList<>();
    for (Map.Entry<String, Future<CompleteRequest>> run : runs.entrySet()) {
      String bomb = run.getKey();
      CompleteRequest end = run.getValue().get();
      String how = how(end);
      boolean late = SLOW.contains(bomb) && how.equals("FAILURE_TIMEOUT");
      if (!late && !how.equals(expected.get(bomb))) {
        wrong.add(bomb + " " + how + " instead of " + expected.get(bomb) + ": " + end);
      }
    }
    assertEquals(List.of(), wrong);
    assertFalse(ExecutorProcess.anyRuns(MARK), "a process is left");
    Command.Builder fine = Command.newBuilder().addAllArguments(List.of("echo", "fine"));
    CompleteRequest after =
        farm.run(TestLeases.of(store, fine, Digest.EMPTY, List.of(), ++execution));
    assertEquals("fine\n", after.getActionResult().getStdoutRaw().toStringUtf8(), after::toString);
    assertTrue(started.process().isAlive());
    nothingIsLeft();
  }

  private void nothingIsLeft() throws Exception {
    Path actions = work.resolve("executors").resolve(NAME).resolve("actions");
    long deadline = System.nanoTime() + 20_000_000_000L;
    while (!Attacks.leftovers(actions).isEmpty() && System.nanoTime() < deadline) {
      Thread.sleep(50);
    }
    assertEquals(List.of(), Attacks.leftovers(actions));
    assertFalse(Files.readString(Path.of("/proc/self/mountinfo")).contains(actions.toString()));
  }

  private static String how(CompleteRequest end) {
    if (end.hasFailure()) {
      return end.getFailure().getFailureClass().name();
    }
    return end.getActionResult().getExitCode() == 0 ? "ends well" : "fails";
  }
}
