package build.thresher.deploy.e2e;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.io.BaseEncoding;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What Spack solved in one go, handed out package by package: solving is the slow part of every
 * test. A package can also be had with another value of a variant, under the hash that this gives.
 */
final class Solved {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path directory;
  private final ObjectNode plan;
  private final SpecDocument document;

  private Solved(Path directory, ObjectNode plan, SpecDocument document) {
    this.directory = directory;
    this.plan = plan;
    this.document = document;
  }

  /**
   * Reads a plan.
   *
   * @param file as {@code spack farm install --plan-out} wrote it
   */
  static Solved read(Path directory, Path file) throws Exception {
    ObjectNode plan = (ObjectNode) JSON.readTree(Files.readAllBytes(file));
    Path dag = Path.of(plan.get("dag").asText());
    return new Solved(directory, plan, SpecDocument.parse(Files.readAllBytes(dag)));
  }

  /**
   * A root that somebody can ask for.
   *
   * @param plan for {@code thresher build}
   * @param document for {@code spack install}
   */
  record Root(String hash, Path plan, Path document) {}

  /** A package as it was solved. */
  Root root(String name) throws Exception {
    SpecNode node = node(name);
    return write(name, node.hash().text(), node.hash().text(), text(node));
  }

  /** The same with another value of a variant. */
  Root root(String name, String variant, String value) throws Exception {
    SpecNode node = node(name);
    String before = text(node);
    String changed =
        before.replaceFirst(
            "\"" + variant + "\":\"[^\"]*\"", "\"" + variant + "\":\"" + value + '"');
    if (before.equals(changed)) {
      throw new IllegalArgumentException(
          name + " has no variant " + variant + ", or no other value");
    }
    String unhashed = changed.replace(",\"hash\":\"" + node.hash() + '"', "");
    byte[] sha1 =
        MessageDigest.getInstance("SHA-1").digest(unhashed.getBytes(StandardCharsets.UTF_8));
    String hash = BaseEncoding.base32().lowerCase().encode(sha1);
    String text = changed.replace(",\"hash\":\"" + node.hash() + '"', ",\"hash\":\"" + hash + '"');
    return write(name + '-' + value, node.hash().text(), hash, text);
  }

  /**
   * The same on top of externals that lie elsewhere. An external's hash is not checked, because not
   * every Spack's can be.
   */
  Root rootWithExternalAt(String name, String variant, String value, String path) throws Exception {
    Root plain = root(name, variant, value);
    String text = Files.readString(plain.document());
    Files.writeString(
        plain.document(), text.replace("\"path\":\"/usr\"", "\"path\":\"" + path + '"'));
    return plain;
  }

  /** The hash of a document's first root. */
  static String rootOf(Path document) throws Exception {
    return SpecDocument.parse(Files.readAllBytes(document)).roots().getFirst().text();
  }

  /** The hash of a package as it was solved. */
  String hash(String name) {
    return node(name).hash().text();
  }

  private Root write(String label, String solvedHash, String hash, String rootText)
      throws Exception {
    List<String> texts = new ArrayList<>(List.of(rootText));
    Set<String> reached = new HashSet<>();
    collect(document.node(new DagHash(solvedHash)), reached, texts);
    String file = label.replaceAll("[^A-Za-z0-9_.-]+", "_"); // Spack takes no spaces in it
    Path spec = directory.resolve(file + ".spec.json");
    Files.writeString(
        spec,
        "{\"spec\":{\"_meta\":{\"version\":%d},\"nodes\":[%s]}}"
            .formatted(document.version(), String.join(",", texts)));
    ObjectNode own = plan.deepCopy();
    own.put("dag", spec.toString());
    own.set("roots", JSON.createArrayNode().add(hash));
    ArrayNode sources = JSON.createArrayNode();
    for (var entry : plan.get("sources")) {
      String of = entry.get("hash").asText();
      if (of.equals(solvedHash)) {
        sources.add(((ObjectNode) entry.deepCopy()).put("hash", hash));
      } else if (reached.contains(of)) {
        sources.add(entry);
      }
    }
    own.set("sources", sources);
    Path planFile = directory.resolve(file + ".plan.json");
    Files.writeString(planFile, JSON.writeValueAsString(own));
    return new Root(hash, planFile, spec);
  }

  /** Everything below a node, each once. */
  private void collect(SpecNode from, Set<String> reached, List<String> texts) {
    for (SpecDependency dependency : from.dependencies()) {
      SpecNode node = document.node(dependency.hash());
      if (reached.add(node.hash().text())) {
        texts.add(text(node));
        collect(node, reached, texts);
      }
    }
  }

  private SpecNode node(String name) {
    return document.nodes().values().stream()
        .filter(n -> n.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException(name + " was not solved"));
  }

  private static String text(SpecNode node) {
    return new String(node.json(), StandardCharsets.UTF_8);
  }
}
