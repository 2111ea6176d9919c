package build.thresher.executor.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.core.ExecutorProcess.Bounds;
import build.thresher.executor.testing.Attacks;
import build.thresher.executor.testing.DirectoryBlobStore;
import build.thresher.executor.testing.RealControlGroups;
import build.thresher.executor.testing.RealSpack;
import build.thresher.executor.testing.SpackWorld;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Lease;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Real Spack builds that take more than they may. Each ends in the failure that is documented for
 * it, with a sentence that says why; then the same slot builds the same node.
 *
 * <p>What they do stands in a module that all recipes import, so that hashes of packages hold.
 */
final class HostileBuildTest {
  private static final String NAME = "hostile-" + ProcessHandle.current().pid();
  private static final String MARK = "mark-" + NAME;
  private static final String NODE = "compiler-wrapper";

  private static final Bounds TIGHT =
      new Bounds(25, 600 << 20, 100, 200 << 20, 20_000, 200_000, 20);

  private final Path temporary;
  private FarmOnLoopback loopback;
  private ScriptedFarm farm;
  private DirectoryBlobStore store;
  private SpackWorld world;
  private ExecutorProcess executor;
  private int executions;

  HostileBuildTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void open() throws Exception {
    loopback = FarmOnLoopback.startOrSkip(temporary);
    farm = loopback.farm();
    store = loopback.store();
    assumeTrue(RealControlGroups.have("pids"), "no control groups that this test knows");
    RealSpack spack = RealSpack.orSkip();
    world = new SpackWorld(spack, temporary.resolve("world"), store, "fl-suite.json");
    executor = loopback.process(List.of(), Map.of(), NAME, temporary.resolve("work"), 1, TIGHT);
    assertTrue(executor.isReady(), executor.said());
  }

  @AfterEach
  void close() throws Exception {
    if (loopback != null) {
      loopback.close();
    }
  }

  /** Builds with a bomb, or with no code of this test where there is no name. */
  private CompleteRequest build(String code) throws Exception {
    Path common = world.recipes().resolve("builtin/build_systems/generic.py");
    String before = Files.readString(common);
    Files.write(common.resolveSibling("bombs.py"), Attacks.script("bombs.py"));
    Files.writeString(common, before + "\n" + code + "\n");
    Lease lease = TestLeases.of(world.task(world.node(NODE)), ++executions);
    Files.writeString(common, before);
    CompleteRequest end = farm.run(lease);
    assertFalse(ExecutorProcess.anyRuns(MARK), "a process is left");
    return end;
  }

  private static String bomb(String name) {
    return """
        import os as _os, subprocess as _subprocess, sys as _sys
        _bombs = _os.path.join(_os.path.dirname(__file__), "bombs.py")
        _subprocess.check_call([_sys.executable, _bombs, "%s", "%s"])
        """
        .formatted(name, MARK);
  }

  private void fails(String bomb, FailureClass kind, String sentence) throws Exception {
    CompleteRequest end = build(bomb(bomb));
    assertEquals(kind, end.getFailure().getFailureClass(), () -> bomb + ": " + end);
    String message = end.getFailure().getMessage();
    assertTrue(message.contains(sentence), () -> bomb + ": " + message);
  }

  private String buildsWell(String code) throws Exception {
    CompleteRequest end = build(code);
    String log =
        new String(
            store.readAll(SpackWorld.SCOPE, WireDigests.fromWire(end.getLog())),
            StandardCharsets.UTF_8);
    assertTrue(end.hasSpackBuild(), () -> end + log);
    Digest archive = WireDigests.fromWire(end.getSpackBuild().getArchive());
    assertTrue(store.contains(SpackWorld.SCOPE, archive));
    return log;
  }

  @Test
  void everyLimitEndsABuildAsDocumentedAndTheSlotBuildsOn() throws Exception {
    fails("processes", FailureClass.FAILURE_INFRASTRUCTURE, "100 processes");
    fails("memory", FailureClass.FAILURE_OUT_OF_MEMORY, "more memory than 629145600 bytes");
    fails("disk", FailureClass.FAILURE_INFRASTRUCTURE, "more than 209715200 bytes");
    fails("disk-without-names", FailureClass.FAILURE_INFRASTRUCTURE, "more than 209715200 bytes");
    fails("hang", FailureClass.FAILURE_TIMEOUT, "longer than 25 s");
    buildsWell("");
  }

  @Test
  void whatABuildLeavesOrWritesElsewhereHarmsNobody() throws Exception {
    String flood = buildsWell(bomb("output"));
    assertTrue(flood.length() < 300_000, () -> flood.length() + " characters of log");
    assertTrue(flood.contains("the log is longer than 200000 bytes"), "the log says that it ends");
    buildsWell(bomb("daemon"));
    buildsWell(bomb("daemon-that-holds-the-output"));
    String outside =
        buildsWell(
            """
            for _path in ["/usr/x", "/etc/x", "/thresher/x", "/thresher/spack/x", "/thresher/repos/x", "/x", "/var/x"]:
                try:
                    open(_path, "w").close()
                    print("WROTE", _path)
                except OSError as _e:
                    print("NOT WRITTEN", _path)
            for _path in ["/tmp/x", "/thresher/store/x", "/thresher/out/x"]:
                open(_path, "w").close()
            """);
    assertTrue(outside.contains("NOT WRITTEN /thresher/x"), outside);
    assertFalse(outside.contains("WROTE"), outside);
    assertFalse(buildsWell("").isEmpty());
  }
}
