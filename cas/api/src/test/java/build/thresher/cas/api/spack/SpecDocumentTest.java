package build.thresher.cas.api.spack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.collect.ImmutableSet;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class SpecDocumentTest {

  private static SpecDocument parse(String json) throws SpecFormatException {
    return SpecDocument.parse(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
  }

  private static final String A = "a".repeat(32);
  private static final String B = "b".repeat(32);

  private static String node(String name, String hash, String... dependencies) {
    StringBuilder edges = new StringBuilder();
    for (String d : dependencies) {
      edges
          .append(edges.isEmpty() ? "" : ", ")
          .append("{'name': 'x', 'hash': '" + d + "', 'parameters': {'deptypes': ['link']}}");
    }
    return "{'name': '"
        + name
        + "', 'version': '1', 'dependencies': ["
        + edges
        + "], 'hash': '"
        + hash
        + "'}";
  }

  private static String document(String... nodes) {
    return "{'spec': {'_meta': {'version': 5}, 'nodes': [" + String.join(", ", nodes) + "]}}";
  }

  @Test
  void theHashIsTakenOverTheCompactTextWithoutItself() throws Exception {
    SpecDocument spaced = parse(document(node("a", A)));
    SpecDocument tight = parse(document(node("a", A)).replace(" ", "").replace("\n", ""));
    assertEquals(
        spaced.node(new DagHash(A)).contentHash(), tight.node(new DagHash(A)).contentHash());
    assertArrayEquals(spaced.node(new DagHash(A)).json(), tight.node(new DagHash(A)).json());
  }

  @Test
  void whiteSpaceInsideStringsCounts() throws Exception {
    SpecDocument one =
        parse("{'spec':{'nodes':[{'name':'a b','version':'x\\\\\\' y','hash':'" + A + "'}]}}");
    assertTrue(
        new String(one.node(new DagHash(A)).json(), StandardCharsets.UTF_8).contains("\"a b\""));
  }

  @Test
  void aTargetIsANameOrANameWithFeatures() throws Exception {
    String generic =
        "'arch': {'platform': 'linux', 'platform_os': 'debian12', 'target': 'x86_64_v3'}";
    String special =
        "'arch': {'platform': 'linux', 'platform_os': 'debian12', 'target':"
            + " {'name': 'zen4', 'vendor': 'AuthenticAMD', 'features': ['avx2', 'avx512f'],"
            + " 'generation': 0, 'parents': ['zen3'], 'cpupart': ''}}";
    String node = "{'name': '%s', 'version': '1', %s, 'hash': '%s'}";
    SpecDocument doc =
        parse(document(node.formatted("a", generic, A), node.formatted("b", special, B)));
    assertEquals("x86_64_v3", doc.node(new DagHash(A)).target());
    assertEquals(ImmutableSet.of(), doc.node(new DagHash(A)).targetFeatures());
    assertEquals("zen4", doc.node(new DagHash(B)).target());
    assertEquals(ImmutableSet.of("avx2", "avx512f"), doc.node(new DagHash(B)).targetFeatures());
  }

  @Test
  void dependenciesComeBeforeDependents() throws Exception {
    SpecDocument doc = parse(document(node("a", A, B), node("b", B)));
    assertEquals(new DagHash(B), doc.nodes().keySet().asList().get(0));
    assertEquals(new DagHash(A), doc.roots().get(0));
  }

  @Test
  void aCycleIsNamed() {
    var e =
        assertThrows(
            SpecFormatException.class, () -> parse(document(node("a", A, B), node("b", B, A))));
    assertTrue(String.valueOf(e.getMessage()).contains("cycle"), e.getMessage());
  }

  @Test
  void aMissingNodeIsNamed() {
    var e = assertThrows(SpecFormatException.class, () -> parse(document(node("a", A, B))));
    assertTrue(String.valueOf(e.getMessage()).contains(B), e.getMessage());
  }

  @Test
  void twoContentsUnderOneHashAreRefused() {
    assertThrows(SpecFormatException.class, () -> parse(document(node("a", A), node("b", A))));
  }

  @Test
  void whatIsNoSpecDocumentIsRefused() {
    for (String bad :
        new String[] {
          "", "[]", "{}", "{'spec': 3}", "{'spec': {'nodes': [{}]}}", "{'spec'", "{} {}"
        }) {
      assertThrows(SpecFormatException.class, () -> parse(bad), bad);
    }
  }

  @Test
  void aDocumentOfOneNodeReadsBackTheSame() throws Exception {
    SpecDocument doc = parse(document(node("a", A, B), node("b", B)));
    SpecDocument again = SpecDocument.parse(doc.subDocument(new DagHash(A), doc.nodes().keySet()));
    assertEquals(doc.roots(), again.roots());
    assertArrayEquals(doc.node(new DagHash(B)).json(), again.node(new DagHash(B)).json());
  }
}
