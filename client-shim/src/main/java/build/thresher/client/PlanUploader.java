package build.thresher.client;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.LocalTree.Content;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.ExecuteOptions;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.GitSource;
import build.thresher.v1.NodeSources;
import build.thresher.v1.Source;
import build.thresher.v1.SourceList;
import build.thresher.v1.SpackInputs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Brings everything that a plan names into the store, sending only what it lacks, and makes the
 * request for it.
 */
final class PlanUploader {
  private final BlobStore store;
  private final Scope scope;
  private final LocalTree.FileHasher hasher;

  PlanUploader(BlobStore store, Scope scope, LocalTree.FileHasher hasher) {
    this.store = store;
    this.scope = scope;
    this.hasher = hasher;
  }

  /** What is ready to be executed, and what it took to get there. */
  record Ready(ExecuteRequest request, TreeUploader.Uploaded uploaded) {}

  Ready upload(Plan plan, String instance, String client, String requestId)
      throws IOException, ClientException {
    Map<Digest, Content> contents = new LinkedHashMap<>();
    SpackInputs inputs =
        SpackInputs.newBuilder()
            .setCore(WireDigests.toWire(add(contents, plan.trees().core())))
            .setRecipes(WireDigests.toWire(add(contents, plan.trees().recipes())))
            .setConfiguration(WireDigests.toWire(add(contents, plan.trees().configuration())))
            .build();
    Digest dag = add(contents, Files.readAllBytes(Path.of(plan.dag())));
    Digest sources = add(contents, sources(contents, plan.sources()).toByteArray());
    TreeUploader.Uploaded uploaded = new TreeUploader(store, scope).upload(contents);
    ExecuteRequest request =
        ExecuteRequest.newBuilder()
            .setInstanceName(instance)
            .setDag(WireDigests.toWire(dag))
            .addAllRoots(plan.roots())
            .setInputs(inputs)
            .setSources(WireDigests.toWire(sources))
            .setClient(client)
            .setRequestId(requestId)
            .setOptions(
                ExecuteOptions.newBuilder()
                    .setBuildJobs(plan.options().buildJobs())
                    .setFailFast(plan.options().failFast())
                    .setRetryFailed(plan.options().retryFailed()))
            .build();
    return new Ready(request, uploaded);
  }

  private static Digest add(Map<Digest, Content> contents, byte[] bytes) {
    Digest digest = Digest.of(bytes);
    contents.putIfAbsent(digest, new Content.InMemory(bytes));
    return digest;
  }

  private Digest add(Map<Digest, Content> contents, List<Plan.Entry> entries)
      throws IOException, ClientException {
    LocalTree tree;
    try {
      tree = tree(entries);
    } catch (IllegalArgumentException e) { // of names that no tree may have, or two entries of one
      throw new ClientException(
          ClientException.REFUSED, "the plan's files make no tree: " + e.getMessage());
    }
    tree.contents().forEach(contents::putIfAbsent);
    return tree.root();
  }

  private LocalTree tree(List<Plan.Entry> entries) throws IOException {
    LocalTree.Builder builder = LocalTree.builder(hasher);
    for (Plan.Entry entry : entries) {
      Path from = Path.of(entry.from());
      if (Files.isDirectory(from)) {
        builder.addTree(entry.path(), from, PlanUploader::belongs);
      } else {
        builder.addFile(entry.path(), from, Files.isExecutable(from));
      }
    }
    return builder.build();
  }

  /** What Python leaves behind differs from machine to machine and is no input. */
  private static boolean belongs(Path path) {
    String name = String.valueOf(path.getFileName());
    return !name.equals("__pycache__") && !name.endsWith(".pyc") && !name.equals(".git");
  }

  private SourceList sources(Map<Digest, Content> contents, List<Plan.Node> nodes)
      throws IOException {
    SourceList.Builder list = SourceList.newBuilder();
    for (Plan.Node node : nodes) {
      NodeSources.Builder all = NodeSources.newBuilder().setHash(node.hash());
      for (Plan.Source source : node.sources()) {
        all.addSources(source(contents, source));
      }
      list.addNodes(all);
    }
    return list.build();
  }

  private Source source(Map<Digest, Content> contents, Plan.Source source) throws IOException {
    Source.Builder wire = Source.newBuilder();
    if (source.unsupported() != null) {
      wire.setUnsupported(source.unsupported());
    }
    if (source.sha256() != null) {
      wire.setSha256(source.sha256());
    }
    if (source.mirrorPath() != null) {
      wire.setMirrorPath(source.mirrorPath());
    }
    if (source.name() != null) {
      wire.setName(source.name());
    }
    if (source.urls() != null) {
      wire.addAllUrls(source.urls());
    }
    if (source.git() != null) {
      wire.setGit(git(source.git()));
    }
    if (source.file() != null) {
      Path file = Path.of(source.file());
      Digest digest = hasher.hash(file);
      if (!digest.hex().equals(source.sha256())) {
        throw new IOException(
            file + " has the sha256 " + digest.hex() + ", the recipe says " + source.sha256());
      }
      contents.putIfAbsent(digest, new Content.InFile(file));
      wire.setDigest(WireDigests.toWire(digest));
    }
    return wire.build();
  }

  private static GitSource git(Plan.Git git) {
    return GitSource.newBuilder()
        .setUrl(git.url())
        .setCommit(git.commit())
        .setRef(git.ref())
        .setAllSubmodules(git.allSubmodules())
        .addAllSubmodules(git.submodules())
        .addAllRemovedSubmodules(git.removedSubmodules())
        .addAllSparsePaths(git.sparsePaths())
        .setFullHistory(git.fullHistory())
        .build();
  }
}
