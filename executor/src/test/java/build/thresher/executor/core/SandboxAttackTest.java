package build.thresher.executor.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.execution.v2.Command;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.core.ExecutorProcess.Bounds;
import build.thresher.executor.outputs.PushedSpec;
import build.thresher.executor.testing.Attacks;
import build.thresher.executor.testing.DirectoryBlobStore;
import build.thresher.executor.testing.RealSpack;
import build.thresher.executor.testing.SpackWorld;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Lease;
import build.thresher.v1.LogStream;
import build.thresher.v1.SpackBuildResult;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every attack of the corpus, run as a real build and as a real action by a real executor: as root,
 * and as an ordinary user. docs/SANDBOX.md lists the modes and what each cannot stop.
 */
final class SandboxAttackTest {
  private static final Scope SCOPE = Scope.farm(TestLeases.INSTANCE);
  private static final boolean ROOT = "root".equals(System.getProperty("user.name"));
  private static final String NAME = "attacked-" + ProcessHandle.current().pid();

  private final Path temporary;
  private FarmOnLoopback loopback;
  private ScriptedFarm farm;
  private DirectoryBlobStore store;
  private Attacks attacks;
  private Path work;
  private String user = "";
  private int executions;

  SandboxAttackTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void open() throws Exception {
    loopback = FarmOnLoopback.startOrSkip(temporary);
    farm = loopback.farm();
    store = loopback.store();
    attacks = new Attacks(Files.createDirectory(temporary.resolve("host")));
    work = Files.createDirectory(temporary.resolve("work"));
  }

  @AfterEach
  void close() throws Exception {
    if (loopback != null) {
      loopback.close();
    }
    if (attacks != null) {
      attacks.close();
    }
  }

  private void start(List<String> as) throws Exception {
    ExecutorProcess started =
        loopback.process(
            as, Map.of("THRESHER_TOKEN", attacks.canary()), NAME, work, 2, Bounds.WIDE);
    user = as.isEmpty() && ROOT ? "as root" : "as an ordinary user";
    assertTrue(started.isReady(), started.said());
  }

  @Test
  void asRootNoBuildAndNoActionGetsOut() throws Exception {
    assumeTrue(ROOT, "only root can start an executor as root");
    start(List.of());
    anActionGetsNowhere();
    anActionInItsOwnRootGetsNowhere();
    aBuildGetsNowhere();
  }

  @Test
  void asAnOrdinaryUserNoBuildAndNoActionGetsOut() throws Exception {
    if (ROOT) {
      ExecutorProcess.giveToOrdinaryUser(work);
      start(ExecutorProcess.asOrdinaryUser());
    } else {
      start(List.of());
    }
    anActionGetsNowhere();
    anActionInItsOwnRootGetsNowhere();
    aBuildGetsNowhere();
  }

  /** Else a corpus that finds nothing would prove nothing. */
  @Test
  void attacksWorkWhereThereIsNoSandbox() throws Exception {
    Path scripts = Files.createDirectory(temporary.resolve("scripts"));
    Files.createDirectories(work.resolve("executors/other"));
    Files.writeString(work.resolve("data"), "shared by many");
    attacks.writeTo(scripts, work, Map.of("shared", List.of(work.toString()), "chroot", false));
    Set<String> expected =
        Set.of(
            "read-a-secret-that-all-users-of-the-host-may-read",
            "read-the-farms-token",
            "read-accounts-of-the-host",
            "list-the-executors-directory",
            "list-the-directory-of-another-build",
            "list-run-and-var",
            "go-up-beyond-the-root",
            "follow-an-own-link-out",
            "find-processes-of-the-host",
            "tcp-to-a-service-of-the-host",
            "udp-to-a-service-of-the-host",
            "unix-socket-of-the-host",
            "abstract-unix-socket-of-the-host",
            "shared-memory-of-the-host",
            "posix-shared-memory-of-the-host",
            "add-a-key-to-a-keyring",
            "read-keyrings",
            "overwrite-an-input",
            "append-to-an-input",
            "truncate-an-input",
            "change-the-mode-of-an-input",
            "change-the-time-of-an-input",
            "rename-an-input",
            "make-a-file-beside-an-input",
            "write-an-input-by-a-hard-link",
            "write-an-input-by-its-open-descriptor",
            "write-an-input-through-memory",
            "remove-an-input");
    List<String> command = new ArrayList<>();
    if (ROOT) {
      command.addAll(ExecutorProcess.asOrdinaryUser());
      ExecutorProcess.giveToOrdinaryUser(work);
      ExecutorProcess.giveToOrdinaryUser(work.resolve("data"));
    }
    command.addAll(List.of("/usr/bin/python3", "attacks/run.py", "attacks/world.json"));
    command.addAll(expected);
    Process process = new ProcessBuilder(command).directory(scripts.toFile()).start();
    Set<String> worked =
        Attacks.worked(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
    assertEquals(0, process.waitFor());
    assertEquals(expected, worked);
  }

  private Path own(String name) {
    return work.resolve("executors").resolve(NAME).resolve(name);
  }

  private void anActionGetsNowhere() throws Exception {
    LocalTree.Builder inputs = LocalTree.builder();
    attacks.addTo(
        inputs,
        work,
        Map.of("shared", List.of("/thresher/action", "/usr/bin", "/etc"), "chroot", false));
    inputs.addBytes("data/input", bytes("shared by many actions"), false);
    inputs.addBytes("data/program", bytes("#!/bin/sh\necho shared by many actions\n"), true);
    Digest root = upload(inputs);
    Command.Builder command = command("python3", "attacks/run.py", "attacks/world.json");
    run(Command.newBuilder().addArguments("true"), root, List.of());
    List<String> before = Attacks.state(own("inputs"));
    attacks.check("action " + user, run(command, root, List.of()));
    assertEquals(before, Attacks.state(own("inputs")), "an action changed shared inputs");
  }

  private void anActionInItsOwnRootGetsNowhere() throws Exception {
    LocalTree.Builder inputs = LocalTree.builder();
    attacks.addTo(inputs, work, Map.of("shared", List.of("/data"), "chroot", true));
    inputs.addBytes("data/input", bytes("shared by many actions"), false);
    Attacks.addPython(inputs);
    Digest root = upload(inputs);
    Command.Builder command = command(Attacks.python(), "/attacks/run.py", "/attacks/world.json");
    List<String> properties = List.of("chrootIntoInputRoot=true");
    run(command(Attacks.python(), "-c", ""), root, properties);
    List<String> before = Attacks.state(own("inputs"));
    attacks.check("action in its own root " + user, run(command, root, properties));
    assertEquals(before, Attacks.state(own("inputs")), "an action changed shared inputs");
  }

  private static Command.Builder command(String... words) {
    return Command.newBuilder().addAllArguments(List.of(words));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private Digest upload(LocalTree.Builder builder) throws IOException {
    LocalTree tree = builder.build();
    new TreeUploader(store, SCOPE).upload(tree);
    return tree.root();
  }

  /** Both outputs. */
  private String run(Command.Builder command, Digest root, List<String> properties)
      throws Exception {
    Lease lease = TestLeases.of(store, command, root, properties, ++executions);
    CompleteRequest done = farm.run(lease);
    String output =
        farm.log(lease.getFence(), LogStream.LOG_STREAM_STDOUT)
            + farm.log(lease.getFence(), LogStream.LOG_STREAM_STDERR);
    assertTrue(done.hasActionResult(), () -> done + output);
    assertEquals(0, done.getActionResult().getExitCode(), () -> done + output);
    return output;
  }

  /** The attacks run as the recipe's own code, where Spack loads it. */
  private void aBuildGetsNowhere() throws Exception {
    SpackWorld world =
        new SpackWorld(RealSpack.orSkip(), temporary.resolve("world"), store, "fl-suite.json");
    List<SpecNode> nodes = world.toBuild("fl-core");
    for (SpecNode node : nodes.subList(0, nodes.size() - 1)) {
      build(world, node);
    }
    Path recipe = world.recipes().resolve("fl/packages/fl_core");
    attacks.writeTo(
        recipe,
        work,
        Map.of(
            "chroot",
            false,
            "shared",
            List.of(
                "/thresher/spack/bin",
                "/thresher/repos",
                "/thresher/config",
                "/thresher/sources",
                "/thresher/order",
                "/thresher/store",
                "/usr/bin",
                "/etc")));
    Files.writeString(
        recipe.resolve("package.py"),
        """

        import os as _os, subprocess as _subprocess, sys as _sys
        _here = _os.path.dirname(__file__) + "/attacks/"
        _subprocess.run([_sys.executable, _here + "run.py", _here + "world.json"])
        """,
        StandardOpenOption.APPEND);
    List<String> before = state();
    Lease lease = TestLeases.of(world.task(nodes.getLast()), ++executions);
    farm.run(lease);
    attacks.check("build " + user, farm.log(lease.getFence()));
    List<String> after = state();
    assertEquals(before, after.stream().filter(Set.copyOf(before)::contains).toList());
    for (Path tree : Attacks.children(work.resolve("trees"))) {
      assertEquals(
          String.valueOf(tree.getFileName()),
          LocalTree.scan(tree.resolve("content"), p -> !p.endsWith("__pycache__")).root().hex(),
          "the tree is what its name says, but for the bytecode that the executor added");
    }
  }

  private List<String> state() throws IOException {
    return Attacks.state(work.resolve("prefixes"), work.resolve("trees"), work.resolve("sources"));
  }

  private void build(SpackWorld world, SpecNode node) throws Exception {
    Lease lease = TestLeases.of(world.task(node), ++executions);
    CompleteRequest done = farm.run(lease);
    assertTrue(done.hasSpackBuild(), () -> done + farm.log(lease.getFence()));
    SpackBuildResult built = done.getSpackBuild();
    world.built(
        node,
        new PushedSpec(
            WireDigests.fromWire(built.getArchive()),
            built.getArchiveMediaType(),
            WireDigests.fromWire(built.getSpec()),
            built.getSpecMediaType()));
  }
}
