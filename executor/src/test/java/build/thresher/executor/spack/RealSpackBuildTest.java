package build.thresher.executor.spack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.client.TreeFetcher;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.inputs.PrefixCache;
import build.thresher.executor.inputs.SourceMirror;
import build.thresher.executor.inputs.SourceUnavailableException;
import build.thresher.executor.inputs.TreeCache;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.executor.outputs.PushedSpec;
import build.thresher.executor.sandbox.Bubblewrap;
import build.thresher.executor.sandbox.ControlGroups;
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
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Builds real packages with the real Spack in real sandboxes, node after node. */
final class RealSpackBuildTest {
  private final Path temporary;
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
    RealSpack spack = RealSpack.orSkip();
    FileTrees.createReadable(temporary);
    Files.setPosixFilePermissions(
        temporary, java.nio.file.attribute.PosixFilePermissions.fromString("rwxr-xr-x"));
    store = new DirectoryBlobStore(temporary.resolve("blobs"));
    world = new SpackWorld(spack, temporary.resolve("world"), store);
    Bubblewrap.writeAccounts(FileTrees.createReadable(temporary.resolve("etc")));
    sandbox =
        new Sandbox(
            new Bubblewrap(temporary.resolve("etc"), List.of(), root, Optional.empty()),
            ControlGroups.prepare(
                Path.of("/sys/fs/cgroup"), "test-" + ProcessHandle.current().pid()),
            System::nanoTime);
    prefixes =
        new PrefixCache(temporary.resolve("prefixes"), 10L << 30, store, InstantSource.system());
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
            new SourceMirror(
                store,
                (scope, source) -> {
                  throw new SourceUnavailableException("no network in this test", null);
                }),
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
    for (SpecNode node : world.toBuild("fl-core")) {
      world.built(node, build(node));
    }
    assertEquals(0, leftovers(temporary.resolve("builds")));
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

  private PushedSpec build(SpecNode node) throws Exception {
    SpackBuilder.Report report = run(node);
    BuildOutcome.Built outcome =
        assertInstanceOf(
            BuildOutcome.Built.class,
            report.outcome(),
            () -> report.outcome() + "\n" + logOf(node));
    assertTrue(store.contains(SpackWorld.SCOPE, outcome.pushed().archive()));
    assertTrue(store.contains(SpackWorld.SCOPE, outcome.pushed().spec()));
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
