package build.thresher.executor.spack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.client.TreeFetcher;
import build.thresher.executor.inputs.BuiltPrefix;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.inputs.PrefixCache;
import build.thresher.executor.inputs.SourceCache;
import build.thresher.executor.inputs.SourceUnavailableException;
import build.thresher.executor.inputs.TreeCache;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.executor.outputs.PushedSpec;
import build.thresher.executor.sandbox.Bubblewrap;
import build.thresher.executor.sandbox.ControlGroups;
import build.thresher.executor.sandbox.HostSettings;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Sandbox;
import build.thresher.executor.testing.DirectoryBlobStore;
import build.thresher.executor.testing.RealSpack;
import build.thresher.executor.testing.SpackWorld;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Builds real packages with the real Spack in real sandboxes, node after node. */
final class RealSpackBuildTest {
  private final Path temporary;
  private RealSpack spack;
  private SpackWorld world;
  private final boolean root = "root".equals(System.getProperty("user.name"));
  private DirectoryBlobStore store;
  private Sandbox sandbox;
  private PrefixCache prefixes;
  private SpackBuilder builder;

  RealSpackBuildTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void prepare() throws Exception {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/bwrap")), "no bubblewrap on this host");
    spack = RealSpack.orSkip();
    FileTrees.createReadable(temporary);
    Files.setPosixFilePermissions(
        temporary, java.nio.file.attribute.PosixFilePermissions.fromString("rwxr-xr-x"));
    store = new DirectoryBlobStore(temporary.resolve("blobs"));
    world = new SpackWorld(spack, temporary.resolve("world"), store, "fl-suite.json");
    HostSettings.write(temporary.resolve("etc"), List.of());
    sandbox =
        new Sandbox(
            new Bubblewrap(temporary, temporary.resolve("etc"), List.of(), root, Optional.empty()),
            ControlGroups.prepare("test-" + ProcessHandle.current().pid()),
            "/usr/bin/python3",
            System::nanoTime);
    prefixes =
        new PrefixCache(temporary.resolve("prefixes"), 10L << 30, 2, store, InstantSource.system());
    builder =
        new SpackBuilder(
            store,
            new TreeCache(
                temporary.resolve("trees"),
                10L << 30,
                (scope, tree, into) ->
                    new TreeFetcher(store, scope, TreeFetcher.Limits.GENEROUS).fetch(tree, into),
                InstantSource.system()),
            prefixes,
            new SourceCache(
                temporary.resolve("sources"),
                10L << 30,
                store,
                (scope, source) -> {
                  throw new SourceUnavailableException("no network in this test", null);
                },
                InstantSource.system()),
            sandbox,
            new SpackOptions(
                "/usr/bin/python3", 2, Duration.ofMinutes(10), 0, 4096, 20L << 30, 1_000_000));
  }

  @AfterEach
  void close() throws IOException {
    if (sandbox != null) {
      sandbox.close();
      prefixes.close();
    }
  }

  @Test
  void aNodeWithItsDependenciesIsBuiltAndPushed() throws Exception {
    int reads = 0;
    for (SpecNode node : world.toBuild("fl-core")) {
      store.restartAfter(4 * reads++);
      world.built(node, build(node));
    }
    assertEquals(0, leftovers(temporary.resolve("builds")));
    Path core = temporary.resolve("trees/" + world.task(world.node("fl-core")).core().hex());
    try (Stream<Path> compiled = Files.list(core.resolve("content/lib/spack/spack/__pycache__"))) {
      assertTrue(compiled.anyMatch(file -> file.getFileName().toString().startsWith("spec.")));
    }
  }

  @Test
  void aRecipeThatIsNotTheOneOfTheSpecIsRefused() throws Exception {
    Files.writeString(
        world.recipes().resolve("builtin/packages/compiler_wrapper/package.py"),
        "\n    changed = True\n",
        StandardOpenOption.APPEND);
    BuildOutcome.Failed failed =
        assertInstanceOf(BuildOutcome.Failed.class, run(world.node("compiler-wrapper")).outcome());
    assertEquals(BuildOutcome.FailureKind.INPUT, failed.kind());
    assertTrue(failed.message().contains("package hash"), failed.message());
  }

  @Test
  void aBuildThatDoesNotCompileIsTheRecipesFault() throws Exception {
    world = new SpackWorld(spack, temporary.resolve("broken"), store, "fl-broken.json");
    for (SpecNode node : world.toBuild("fl-core")) {
      world.built(node, build(node));
    }
    BuildOutcome.Failed failed =
        assertInstanceOf(BuildOutcome.Failed.class, run(world.node("fl-broken")).outcome());
    assertEquals(BuildOutcome.FailureKind.RECIPE, failed.kind(), failed.message());
    assertTrue(failed.message().contains("error"), failed.message());
  }

  @Test
  void aSourceThatWasNotSentIsNamed() throws Exception {
    SpecNode core = world.node("fl-core");
    for (SpecNode node : world.toBuild("fl-core")) {
      if (!node.hash().equals(core.hash())) {
        world.built(node, build(node));
      }
    }
    world.sendNoSources();
    BuildOutcome.Failed failed = assertInstanceOf(BuildOutcome.Failed.class, run(core).outcome());
    assertEquals(BuildOutcome.FailureKind.INPUT, failed.kind(), () -> logOf(core));
  }

  @Test
  void dependenciesThatTheStoreLostAreTheFarmsToMakeAgain() throws Exception {
    SpecNode core = world.node("fl-core");
    for (SpecNode node : world.toBuild("fl-core")) {
      if (!node.hash().equals(core.hash())) {
        world.built(node, build(node));
      }
    }
    Set<Digest> archives = new HashSet<>();
    for (BuiltPrefix dependency : world.task(core).prefixes()) {
      store.delete(SpackWorld.SCOPE, dependency.archive());
      archives.add(dependency.archive());
    }
    BuildOutcome.Failed failed = assertInstanceOf(BuildOutcome.Failed.class, run(core).outcome());
    assertEquals(BuildOutcome.FailureKind.INFRASTRUCTURE, failed.kind(), failed.message());
    assertEquals(archives, failed.missing());
  }

  private PushedSpec build(SpecNode node) throws Exception {
    SpackBuilder.Report report = run(node);
    BuildOutcome.Built outcome =
        assertInstanceOf(
            BuildOutcome.Built.class,
            report.outcome(),
            () -> report.outcome() + "\n" + logOf(node));
    assertTrue(store.contains(SpackWorld.SCOPE, outcome.pushed().archive()));
    assertTrue(store.contains(SpackWorld.SCOPE, outcome.pushed().spec()));
    String log = logOf(node);
    assertEquals(
        log.lastIndexOf("Executing phase: 'install'"),
        log.indexOf("Executing phase: 'install'"),
        "each line stands in the log once");
    return outcome.pushed();
  }

  private SpackBuilder.Report run(SpecNode node) throws Exception {
    Path directory = FileTrees.createReadable(temporary.resolve("builds/" + node.hash()));
    try (BuildLog log = new BuildLog(temporary.resolve(node.name() + ".log"), 1 << 20)) {
      return builder.build(
          world.task(node),
          new BuildSlot(directory, root ? 64100 : -1),
          log,
          new KillSwitch(),
          phase -> {});
    } finally {
      FileTrees.delete(directory);
    }
  }

  private String logOf(SpecNode node) {
    try {
      return Files.readString(temporary.resolve(node.name() + ".log"));
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static long leftovers(Path directory) throws IOException {
    try (Stream<Path> children = Files.list(directory)) {
      return children.count();
    }
  }
}
