package build.thresher.cas.api.spack;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * A concrete DAG as Spack wrote it: {@code spack spec --json}, {@code .spack/spec.json} or a {@code
 * spack.lock}.
 *
 * <p>Parsing keeps each node's own text. It refuses what no Spack writes (duplicate keys, a hash
 * given twice with different content, dangling edges, cycles), and computes each node's hash from
 * its text; whether that must equal the given hash is for the caller to say, because external nodes
 * and spliced ones differ.
 *
 * @param nodes by hash, dependencies before dependents
 * @param roots the first node of a spec document, the roots of a lock file
 * @param version {@code _meta.version} of a spec document, or the lock file's {@code
 *     specfile-version}
 */
public record SpecDocument(
    ImmutableMap<DagHash, SpecNode> nodes, ImmutableList<DagHash> roots, int version) {

  /**
   * A document with more nodes is refused. The largest environment seen in the field has about
   * 3,000.
   */
  public static final int MAX_NODES = 50_000;

  /** A larger document is refused before it is read. */
  public static final int MAX_BYTES = 64 << 20;

  public static SpecDocument parse(byte[] json) throws SpecFormatException {
    if (json.length > MAX_BYTES) {
      throw new SpecFormatException(
          "the document has " + json.length + " bytes; at most " + MAX_BYTES + " are read");
    }
    if (isWide(json)) {
      throw new SpecFormatException("not a JSON document that Spack wrote: it is not in UTF-8");
    }
    try (JsonTokens tokens = new JsonTokens(json)) {
      return new DocumentReader(tokens).read();
    } catch (IOException e) {
      String message = e.getMessage();
      throw new SpecFormatException(
          "not a JSON document that Spack wrote: "
              + (message == null ? e : message.lines().findFirst().orElse("")));
    }
  }

  /** UTF-16 or UTF-32, which the parser would read too, but at offsets of characters. */
  private static boolean isWide(byte[] json) {
    for (int i = 0; i < Math.min(4, json.length); i++) {
      if (json[i] == 0 || (json[i] & 0xfe) == 0xfe) {
        return true;
      }
    }
    return false;
  }

  /** The node, which must be in the document. */
  public SpecNode node(DagHash hash) {
    SpecNode node = nodes.get(hash);
    if (node == null) {
      throw new IllegalArgumentException("no node " + hash + " in this document");
    }
    return node;
  }

  /**
   * A spec document of one node and its closure, the node first as Spack wants it, every node in
   * its own text.
   *
   * @param closure dependencies first; may hold {@code root} itself
   */
  public byte[] subDocument(DagHash root, Iterable<DagHash> closure) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(ascii("{\"spec\":{\"_meta\":{\"version\":" + version + "},\"nodes\":["));
    out.writeBytes(node(root).json());
    for (DagHash hash : closure) {
      if (!hash.equals(root)) {
        out.write(',');
        out.writeBytes(node(hash).json());
      }
    }
    out.writeBytes(ascii("]}}"));
    return out.toByteArray();
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
