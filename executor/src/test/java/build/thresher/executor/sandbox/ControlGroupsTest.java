package build.thresher.executor.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.testing.RealControlGroups;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Version 2, on a directory that looks like a delegated group, and on the real one where it is
 * mounted beside version 1. Version 1 is what the tests of the sandbox use where it is mounted.
 */
final class ControlGroupsTest {
  private static final Limits LIMITS =
      new Limits(Duration.ofMinutes(1), 64L << 20, 50, 1L << 30, 1000);

  private final Path tree;

  ControlGroupsTest(@TempDir Path tree) {
    this.tree = tree;
  }

  /** As systemd gives it to a service with Delegate=yes. */
  private Path service(String controllers) throws IOException {
    Files.writeString(tree.resolve("cgroup.controllers"), "cpuset cpu io memory pids\n");
    Path service = Files.createDirectories(tree.resolve("system.slice/thresher.service"));
    Files.writeString(service.resolve("cgroup.controllers"), controllers + "\n");
    Files.writeString(service.resolve("cgroup.procs"), "4242\n");
    Files.writeString(service.resolve("cgroup.events"), "populated 1\n");
    return service;
  }

  private ControlGroups prepare() {
    return prepare("x");
  }

  private ControlGroups prepare(String executor) {
    return ControlGroups.prepare(tree, List.of("0::/system.slice/thresher.service"), executor);
  }

  @Test
  void inADelegatedGroupTheExecutorMakesRoomAndLimitsBuilds() throws Exception {
    Path service = service("cpu memory pids");
    ControlGroups groups = prepare();
    assertEquals("4242", Files.readString(service.resolve("executor/cgroup.procs")));
    assertEquals("+cpu", Files.readString(service.resolve("cgroup.subtree_control")));
    assertEquals("control groups (version 2) in use: cpu, memory, pids", groups.enforced());
    ControlGroups.Group group = groups.create("build", LIMITS);
    Path directory = service.resolve("thresher-x/1");
    assertEquals(List.of(directory), group.directories());
    assertTrue(group.limitsMemory());
    assertEquals("67108864", Files.readString(directory.resolve("memory.max")));
    assertEquals("50", Files.readString(directory.resolve("pids.max")));
  }

  @Test
  void whatAGroupUsedIsRead() throws Exception {
    Path service = service("cpu memory pids");
    ControlGroups.Group group = prepare().create("build", LIMITS);
    Path directory = service.resolve("thresher-x/1");
    Files.writeString(directory.resolve("memory.events"), "low 0\noom 1\noom_kill 2\n");
    Files.writeString(directory.resolve("pids.events"), "max 3\n");
    Files.writeString(
        directory.resolve("cpu.stat"), "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
    assertEquals(2, group.outOfMemoryKills());
    assertEquals(3, group.refusedProcesses());
    SandboxResult.Usage sampled =
        new SandboxResult.Usage(Duration.ofSeconds(1), Duration.ZERO, Duration.ZERO, 7);
    assertEquals(7, group.usage(sampled).peakMemoryBytes());
    Files.writeString(directory.resolve("memory.peak"), "1000\n");
    SandboxResult.Usage usage = group.usage(sampled);
    assertEquals(20_000, usage.userCpu().toNanos());
    assertEquals(10_000, usage.systemCpu().toNanos());
    assertEquals(1000, usage.peakMemoryBytes());
  }

  @Test
  void aServiceThatWasStartedAgainFindsItsGroup() throws Exception {
    Path service = service("memory pids");
    prepare();
    Files.delete(service.resolve("thresher-x/cgroup.subtree_control"));
    Files.createDirectory(service.resolve("thresher-x/left-over"));
    ControlGroups.prepare(tree, List.of("0::/system.slice/thresher.service/executor"), "x");
    assertFalse(Files.exists(service.resolve("executor/executor")));
    assertFalse(Files.exists(service.resolve("thresher-x/left-over")));
  }

  @Test
  void executorsOfOneServiceMayStartAtOnce() throws Exception {
    for (int i = 0; i < 100; i++) {
      Path service = service("cpu memory pids");
      Path executor = service.resolve("executor");
      CyclicBarrier together = new CyclicBarrier(2);
      try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
        List<Future<String>> said =
            Stream.of("x" + i, "y" + i)
                .map(
                    name ->
                        threads.submit(
                            () -> {
                              together.await();
                              return prepare(name).enforced();
                            }))
                .toList();
        for (Future<String> one : said) {
          assertEquals("control groups (version 2) in use: cpu, memory, pids", one.get());
        }
      }
      Files.delete(executor.resolve("cgroup.procs"));
      Files.delete(executor);
    }
  }

  @Test
  void whatIsNotDelegatedIsSaid() throws Exception {
    service("cpu");
    assertTrue(prepare().enforced().contains("not delegated"), prepare().enforced());
    Files.delete(tree.resolve("cgroup.controllers"));
    assertTrue(prepare().enforced().contains("no control groups"), prepare().enforced());
  }

  @Test
  void aRealGroupOfVersionTwoIsEnteredAndKilledAsAWhole() throws Exception {
    Path own = RealControlGroups.unified();
    assumeTrue(Files.isWritable(own.resolve("cgroup.procs")), "no writable cgroup v2 at " + own);
    String name = "test-" + ProcessHandle.current().pid();
    Path made;
    try (ControlGroups groups = ControlGroups.prepare(own, List.of("0::/"), name);
        ControlGroups.Group group = groups.create("build", LIMITS)) {
      made = group.directories().getFirst();
      String enter = made + "/cgroup.procs";
      Process shell =
          new ProcessBuilder(
                  "/bin/sh", "-c", "echo $$ > " + enter + "; setsid sleep 4326 & echo in; wait")
              .start();
      assertEquals('i', shell.getInputStream().read());
      assertTrue(Files.readAllLines(Path.of(enter)).size() >= 2);
      group.killAll();
      assertEquals(List.of(), Files.readAllLines(Path.of(enter)));
      assertTrue(shell.waitFor(10, TimeUnit.SECONDS));
      group.close();
      assertFalse(Files.exists(made));
    }
    assertFalse(Files.exists(made.resolve("..").normalize()));
  }
}
