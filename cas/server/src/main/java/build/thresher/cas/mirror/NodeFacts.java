package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.mirror.MirrorDb.IndexNode;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import java.io.IOException;

/**
 * What is asked of a node of the index besides its text.
 *
 * @param used dependencies that are needed where the node is used
 * @param builtWith the others, and what a spliced node was built as
 */
record NodeFacts(String target, ImmutableList<DagHash> used, ImmutableList<DagHash> builtWith) {
  private static final ObjectMapper JSON = new ObjectMapper();

  static NodeFacts of(IndexNode node) throws IOException {
    JsonNode json = JSON.readTree(node.json());
    ImmutableList.Builder<DagHash> used = ImmutableList.builder();
    ImmutableList.Builder<DagHash> builtWith = ImmutableList.builder();
    for (JsonNode edge : json.path("dependencies")) {
      boolean isUsed =
          isUsed(edge.path("parameters").path("deptypes")) || isUsed(edge.path("type"));
      (isUsed ? used : builtWith).add(new DagHash(edge.path("hash").asText()));
    }
    String builtAs = json.path("build_spec").path("hash").asText();
    if (!builtAs.isEmpty()) {
      builtWith.add(new DagHash(builtAs));
    }
    JsonNode target = json.path("arch").path("target");
    return new NodeFacts(
        target.isTextual() ? target.asText() : target.path("name").asText(),
        used.build(),
        builtWith.build());
  }

  private static boolean isUsed(JsonNode types) {
    for (JsonNode type : types) {
      if (type.asText().equals("link") || type.asText().equals("run")) {
        return true;
      }
    }
    return false;
  }
}
