package build.thresher.executor.spack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.executor.inputs.BuiltPrefix;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.inputs.PrefixCache;
import build.thresher.executor.inputs.SourceFile;
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
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Builds real packages with the real Spack in real sandboxes, node after node. */
final class RealSpackBuildTest {
  private static final String ROOT = "/thresher/store";
  private static final int PADDING = 256;
  private static final Scope SCOPE = Scope.farm("default");

  private final Path temporary;
  private RealSpack spack;
  private DirectoryBlobStore store;
  private SpecDocument document;
  private Sandbox sandbox;
  private PrefixCache prefixes;
  private SpackBuilder builder;
  private final Map<Digest, Path> trees = new HashMap<>();
  private final Map<DagHash, PushedSpec> built = new HashMap<>();

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
    document = SpecDocument.parse(Files.readAllBytes(spack.world().resolve("fl-suite.json")));
    boolean root = "root".equals(System.getProperty("user.name"));
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
                (scope, digest, into) ->
                    RealSpack.copy(Objects.requireNonNull(trees.get(digest)), into),
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

  private Digest tree(String name) {
    Digest digest = Digest.of(name.getBytes(StandardCharsets.UTF_8));
    trees.put(digest, temporary.resolve(name));
    return digest;
  }

  @Test
  void aNodeWithItsDependenciesIsBuiltAndPushed() throws Exception {
    spack.copyCore(temporary.resolve("core"));
    spack.copyRecipes(
        temporary.resolve("recipes"),
        List.of("gcc", "gcc_runtime", "glibc", "gmake", "compiler_wrapper", "cmake"));
    Files.createDirectories(temporary.resolve("configuration"));
    SpecNode core =
        document.nodes().values().stream()
            .filter(n -> n.name().equals("fl-core"))
            .findFirst()
            .orElseThrow();
    for (DagHash hash : closure(core.hash(), Set.of("build", "link", "run", "test"))) {
      if (!document.node(hash).isExternal()) {
        built.put(hash, build(document.node(hash)));
      }
    }
    assertTrue(built.containsKey(core.hash()));
    assertEquals(0, leftovers(temporary.resolve("builds")));
  }

  private PushedSpec build(SpecNode node) throws Exception {
    Path directory = FileTrees.createReadable(temporary.resolve("builds/" + node.hash()));
    try (BuildLog log = new BuildLog(temporary.resolve(node.name() + ".log"), 1 << 20)) {
      List<String> phases = new ArrayList<>();
      SpackBuilder.Report report =
          builder.build(
              task(node),
              new BuildSlot(directory, "root".equals(System.getProperty("user.name")) ? 64100 : -1),
              log,
              new KillSwitch(),
              phases::add);
      String text = new String(log.read(0, 1 << 20), StandardCharsets.UTF_8);
      System.out.println(node.display() + " " + phases + " " + report.usage());
      BuildOutcome.Built outcome =
          assertInstanceOf(
              BuildOutcome.Built.class, report.outcome(), () -> report.outcome() + "\n" + text);
      assertTrue(store.contains(SCOPE, outcome.pushed().archive()));
      assertTrue(store.contains(SCOPE, outcome.pushed().spec()));
      return outcome.pushed();
    } finally {
      FileTrees.delete(directory);
    }
  }

  private SpackTask task(SpecNode node) throws Exception {
    List<BuiltPrefix> dependencies = new ArrayList<>();
    List<String> register = new ArrayList<>();
    for (DagHash hash : closure(node.hash(), Set.of("link", "run"))) {
      SpecNode dependency = document.node(hash);
      if (hash.equals(node.hash())) {
        continue;
      }
      register.add(hash.toString());
      if (!dependency.isExternal()) {
        dependencies.add(
            new BuiltPrefix(
                hash.toString(),
                prefix(dependency),
                Objects.requireNonNull(built.get(hash)).archive()));
      }
    }
    List<Digest> nodes = new ArrayList<>();
    nodes.add(store.put(SCOPE, node.json()));
    for (DagHash hash : closure(node.hash(), Set.of("build", "link", "run", "test"))) {
      if (!hash.equals(node.hash())) {
        nodes.add(store.put(SCOPE, document.node(hash).json()));
      }
    }
    return new SpackTask(
        "default",
        node.hash().toString(),
        node.name(),
        node.version(),
        document.version(),
        tree("core"),
        tree("recipes"),
        tree("configuration"),
        sources(),
        dependencies,
        register,
        prefix(node),
        ROOT,
        PADDING,
        2,
        Optional.empty(),
        0,
        nodes);
  }

  private List<SourceFile> sources() throws IOException {
    List<SourceFile> sources = new ArrayList<>();
    Path mirror = spack.world().resolve("srcmirror");
    try (Stream<Path> files = Files.walk(mirror)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Digest digest = store.put(SCOPE, Files.readAllBytes(file));
        sources.add(
            new SourceFile(
                digest.hex(),
                List.of(),
                mirror.relativize(file).toString(),
                Optional.of(digest),
                ""));
      }
    }
    return sources;
  }

  private static String prefix(SpecNode node) {
    StringBuilder root = new StringBuilder(ROOT + "/");
    while (root.length() < PADDING) {
      root.append("__spack_path_placeholder__/");
    }
    root.setLength(PADDING);
    while (root.charAt(root.length() - 1) == '/') {
      root.setLength(root.length() - 1);
    }
    return root + "/" + node.defaultProjection();
  }

  /** Dependencies first: direct ones of every type, further ones of the given types. */
  private List<DagHash> closure(DagHash root, Set<String> further) {
    Set<DagHash> seen = new LinkedHashSet<>();
    visit(root, Set.of("build", "link", "run", "test"), further, seen);
    return List.copyOf(seen);
  }

  private void visit(DagHash hash, Set<String> types, Set<String> further, Set<DagHash> seen) {
    for (SpecDependency dependency : document.node(hash).dependencies()) {
      if (!seen.contains(dependency.hash())
          && dependency.types().stream().anyMatch(types::contains)) {
        visit(dependency.hash(), further, further, seen);
      }
    }
    seen.add(hash);
  }

  private static long leftovers(Path directory) throws IOException {
    try (Stream<Path> children = Files.list(directory)) {
      return children.count();
    }
  }
}
