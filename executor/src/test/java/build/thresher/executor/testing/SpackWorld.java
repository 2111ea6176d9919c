package build.thresher.executor.testing;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.TreeUploader;
import build.thresher.executor.inputs.BuiltPrefix;
import build.thresher.executor.inputs.SourceFile;
import build.thresher.executor.outputs.PushedSpec;
import build.thresher.executor.spack.SpackTask;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A client's side of a real DAG: the trees, texts and sources that it would have sent, in a store.
 */
public final class SpackWorld {
  public static final Scope SCOPE = Scope.farm("default");
  private static final String ROOT = "/thresher/store";
  private static final int PADDING = 256;
  private static final Set<String> ALL = Set.of("build", "link", "run", "test");

  private final RealSpack spack;
  private final Path directory;
  private final BlobStore store;
  private final SpecDocument document;
  private final Map<String, Digest> trees = new HashMap<>();
  private boolean sendSources = true;
  private final Map<DagHash, PushedSpec> built = new HashMap<>();

  /**
   * @param concrete name of a spec document of the small world
   */
  public SpackWorld(RealSpack spack, Path directory, BlobStore store, String concrete)
      throws IOException {
    this.spack = spack;
    this.directory = directory;
    this.store = store;
    try {
      document = SpecDocument.parse(Files.readAllBytes(spack.world().resolve(concrete)));
    } catch (SpecFormatException e) {
      throw new IOException(e);
    }
    spack.copyCore(directory.resolve("core"));
    spack.copyRecipes(
        directory.resolve("recipes"),
        List.of("gcc", "gcc_runtime", "glibc", "gmake", "compiler_wrapper", "cmake"));
    Files.createDirectories(directory.resolve("configuration"));
  }

  /** Where the recipes can be changed before they are next used. */
  public Path recipes() {
    trees.remove("recipes");
    return directory.resolve("recipes");
  }

  public SpecNode node(String name) {
    return document.nodes().values().stream()
        .filter(n -> n.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  /** What has to be built for a node, dependencies first, the node last. */
  public List<SpecNode> toBuild(String name) {
    return closure(node(name).hash(), ALL).stream()
        .map(document::node)
        .filter(n -> !n.isExternal())
        .toList();
  }

  /** Remembers a result, as the input of further tasks. */
  public void built(SpecNode node, PushedSpec pushed) {
    built.put(node.hash(), pushed);
  }

  /** Further tasks name no sources. */
  public void sendNoSources() {
    sendSources = false;
  }

  /** Uploads a tree, once. */
  private Digest tree(String name) throws IOException {
    Digest known = trees.get(name);
    if (known != null) {
      return known;
    }
    LocalTree tree = LocalTree.scan(directory.resolve(name), path -> true);
    new TreeUploader(store, SCOPE).upload(tree);
    trees.put(name, tree.root());
    return tree.root();
  }

  /** The task of a node whose dependencies are built. */
  public SpackTask task(SpecNode node) throws IOException {
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
    if (!sendSources) {
      return sources;
    }
    Path mirror = spack.world().resolve("sources");
    try (Stream<Path> files = Files.walk(mirror)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Digest digest = store.put(SCOPE, Files.readAllBytes(file));
        sources.add(
            new SourceFile(
                digest.hex(),
                List.of(),
                mirror.relativize(file).toString(),
                "",
                Optional.of(digest),
                Optional.empty(),
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
}
