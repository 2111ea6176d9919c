package build.thresher.deploy.e2e;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.LocalTree.Content;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.NodeSources;
import build.thresher.v1.Source;
import build.thresher.v1.SourceList;
import build.thresher.v1.SpackInputs;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.grpc.Channel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Uploads a plan and makes the request, for tests that want to send it in ways of their own. */
final class Submission {
  private Submission() {}

  static ExecuteRequest.Builder upload(Channel channel, Path planFile) throws Exception {
    JsonNode plan = new ObjectMapper().readTree(Files.readAllBytes(planFile));
    Map<Digest, Content> contents = new LinkedHashMap<>();
    ExecuteRequest.Builder request =
        ExecuteRequest.newBuilder()
            .setInputs(
                SpackInputs.newBuilder()
                    .setCore(tree(contents, plan.get("trees").get("core")))
                    .setRecipes(tree(contents, plan.get("trees").get("recipes")))
                    .setConfiguration(tree(contents, plan.get("trees").get("configuration"))))
            .setDag(bytes(contents, Files.readAllBytes(Path.of(plan.get("dag").asText()))))
            .setSources(bytes(contents, sources(contents, plan.get("sources")).toByteArray()));
    plan.get("roots").forEach(root -> request.addRoots(root.asText()));
    new TreeUploader(new RemoteBlobStore(channel, ""), new Scope("", "test")).upload(contents);
    return request;
  }

  private static build.bazel.remote.execution.v2.Digest tree(
      Map<Digest, Content> contents, JsonNode entries) throws Exception {
    LocalTree.Builder tree = LocalTree.builder();
    for (JsonNode entry : entries) {
      Path from = Path.of(entry.get("from").asText());
      if (Files.isDirectory(from)) {
        tree.addTree(entry.get("path").asText(), from, p -> !p.endsWith("__pycache__"));
      } else {
        tree.addFile(entry.get("path").asText(), from, Files.isExecutable(from));
      }
    }
    LocalTree built = tree.build();
    contents.putAll(built.contents());
    return WireDigests.toWire(built.root());
  }

  private static SourceList sources(Map<Digest, Content> contents, JsonNode nodes)
      throws Exception {
    SourceList.Builder list = SourceList.newBuilder();
    for (JsonNode node : nodes) {
      NodeSources.Builder all = NodeSources.newBuilder().setHash(node.get("hash").asText());
      for (JsonNode source : node.get("sources")) {
        all.addSources(
            Source.newBuilder()
                .setSha256(source.get("sha256").asText())
                .setMirrorPath(source.get("mirror_path").asText())
                .setDigest(
                    bytes(contents, Files.readAllBytes(Path.of(source.get("file").asText())))));
      }
      list.addNodes(all);
    }
    return list.build();
  }

  private static build.bazel.remote.execution.v2.Digest bytes(
      Map<Digest, Content> contents, byte[] bytes) {
    Digest digest = Digest.of(bytes);
    contents.put(digest, new Content.InMemory(bytes));
    return WireDigests.toWire(digest);
  }
}
