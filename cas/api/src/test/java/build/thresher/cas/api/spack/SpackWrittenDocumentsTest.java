package build.thresher.cas.api.spack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Documents that Spack 0.23, 1.1 and 1.3 wrote. */
class SpackWrittenDocumentsTest {

  static List<Path> documents() throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("src/test/resources/spack"))) {
      return files
          .filter(f -> f.toString().endsWith(".spec.json") || f.endsWith("spack.lock"))
          .sorted()
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("documents")
  void everyBuiltNodeGivesItsOwnHash(Path file) throws Exception {
    SpecDocument document = SpecDocument.parse(Files.readAllBytes(file));
    assertNotEquals(0, document.roots().size());
    assertNotEquals(0, document.version());
    for (SpecNode node : document.nodes().values()) {
      if (!node.isExternal()) {
        assertEquals(node.hash(), node.contentHash(), node.display());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("documents")
  void anyChangeOfANodeChangesItsHash(Path file) throws Exception {
    String text = Files.readString(file).replace("\"version\":\"1.0\"", "\"version\":\"1.1\"");
    SpecDocument changed = SpecDocument.parse(text.getBytes(StandardCharsets.UTF_8));
    for (SpecNode node : changed.nodes().values()) {
      if (node.version().equals("1.1")) {
        assertNotEquals(node.hash(), node.contentHash(), node.display());
      }
    }
  }
}
