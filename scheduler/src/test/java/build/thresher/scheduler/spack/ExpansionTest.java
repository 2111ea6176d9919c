package build.thresher.scheduler.spack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.testing.Dag;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ExpansionTest {
  private static final Dag DAG =
      new Dag()
          .external("gcc", "12", "/usr")
          .node("ninja")
          .node("cmake", "ninja:build", "gcc:build")
          .node("zlib", "cmake:build", "gcc:build")
          .node("app", "zlib:link", "cmake:build");

  private static Expansion expand(String... published) throws Exception {
    SpecDocument document = SpecDocument.parse(DAG.document());
    Set<String> names = Set.of(published);
    return Expansion.of(
        document,
        new Closures(document),
        document.roots(),
        hash -> names.contains(document.node(hash).name()));
  }

  private static List<String> names(List<SpecNode> nodes) {
    return nodes.stream().map(SpecNode::name).toList();
  }

  @Test
  void everythingIsBuiltDependenciesFirst() throws Exception {
    assertEquals(List.of("ninja", "cmake", "zlib", "app"), names(expand().build()));
    assertEquals(List.of("gcc"), names(expand().externals()));
  }

  @Test
  void buildDependenciesOfWhatIsPublishedAreLeftAlone() throws Exception {
    Expansion expansion = expand("zlib", "cmake");
    assertEquals(List.of("app"), names(expansion.build()));
    assertEquals(Set.of("zlib", "cmake"), Set.copyOf(names(expansion.cached())));
    assertEquals(List.of(), names(expansion.externals()), "nobody needs the compiler");
  }

  @Test
  void aPublishedRootStillNeedsWhatItLinksWith() throws Exception {
    assertEquals(List.of("ninja", "cmake", "zlib"), names(expand("app").build()));
  }

  @Test
  void theInstallRootIsPaddedAsSpackPadsIt() {
    InstallTree tree = new InstallTree("/thresher/store", 256);
    assertEquals(256, tree.paddedRoot().length());
    assertEquals(
        "/thresher/store/__spack_path_placeholder__/__sp",
        new InstallTree("/thresher/store", 47).paddedRoot());
    assertEquals("/thresher/store", new InstallTree("/thresher/store", 10).paddedRoot());
    assertThrows(IllegalArgumentException.class, () -> new InstallTree("/thresher/store", 16));
    assertThrows(IllegalArgumentException.class, () -> new InstallTree("relative", 256));
  }
}
