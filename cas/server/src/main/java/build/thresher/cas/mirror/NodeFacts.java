package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.store.v1.NodeFactsRecord;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.util.List;

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

  byte[] toBytes() {
    NodeFactsRecord.Builder record = NodeFactsRecord.newBuilder().setTarget(target);
    used.forEach(hash -> record.addUsed(hash.text()));
    builtWith.forEach(hash -> record.addBuiltWith(hash.text()));
    return record.build().toByteArray();
  }

  static NodeFacts fromBytes(byte[] bytes) throws IOException {
    NodeFactsRecord record = NodeFactsRecord.parseFrom(bytes);
    return new NodeFacts(
        record.getTarget(), hashes(record.getUsedList()), hashes(record.getBuiltWithList()));
  }

  private static ImmutableList<DagHash> hashes(List<String> texts) {
    return texts.stream().map(DagHash::new).collect(ImmutableList.toImmutableList());
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
