package build.thresher.cas.api.spack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;

/** Documents and hashes of strangers. */
class SpecDocumentFuzzTest extends HostileBytes {

  @Hostile
  void aDocumentIsRefusedOrItsNodesKeepTheirTexts(byte[] json) throws SpecFormatException {
    SpecDocument document;
    try {
      document = SpecDocument.parse(json);
    } catch (SpecFormatException e) {
      return;
    }
    Set<DagHash> before = new HashSet<>();
    for (SpecNode node : document.nodes().values()) {
      node.dependencies().forEach(d -> assertTrue(before.contains(d.hash()), "order"));
      before.add(node.hash());
    }
    for (DagHash root : document.roots()) {
      SpecDocument again =
          SpecDocument.parse(document.subDocument(root, document.nodes().keySet()));
      assertEquals(root, again.roots().getFirst());
      assertEquals(document.nodes().keySet(), again.nodes().keySet());
      for (SpecNode node : again.nodes().values()) {
        assertArrayEquals(document.node(node.hash()).json(), node.json());
        assertEquals(document.node(node.hash()).contentHash(), node.contentHash());
      }
    }
  }

  @Hostile
  void aDagHashIsRefusedOrTheTextItself(byte[] utf8) {
    String text = new String(utf8, StandardCharsets.UTF_8);
    try {
      assertEquals(text, new DagHash(text).text());
      assertTrue(text.matches("[a-z2-7]{32}"));
    } catch (IllegalArgumentException e) {
      assertTrue(String.valueOf(e.getMessage()).contains("DAG hash"));
    }
  }
}
