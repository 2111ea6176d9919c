package build.thresher.cas.mirror;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.mirror.RawTar.Member;
import build.thresher.testing.bench.SyntheticDags;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Specs for benchmarks, in DAGs of {@value #NODES_A_DAG} that share nothing but the compiler. Nodes
 * are as large as Spack writes them, a spec names all below it, and archives hold what an archive
 * must hold and nothing more.
 */
final class SyntheticMirror {
  static final int NODES_A_DAG = 20;
  static final String ROOT = "/opt/farmlab/store";
  private static final byte[] NOTHING = {};

  private SyntheticMirror() {}

  /** A spec as another mirror has it. */
  record Pushed(SpecNode node, String manifest, Blob archive, Blob spec) {
    void putBlobs(BlobStore blobs, Scope scope) throws IOException {
      blobs.putAll(scope, List.of(archive, spec));
    }
  }

  /** The specs of one DAG, what is needed before what needs it. */
  static List<Pushed> dag(String salt) throws Exception {
    SpecDocument document = SpecDocument.parse(SyntheticDags.chain(NODES_A_DAG, salt).document());
    List<Pushed> pushed = new ArrayList<>();
    for (SpecNode node : document.nodes().values()) {
      if (!node.isExternal()) {
        pushed.add(pushed(document, node));
      }
    }
    return pushed;
  }

  private static Pushed pushed(SpecDocument document, SpecNode node) {
    byte[] json = document.subDocument(node.hash(), closure(document, node));
    Blob spec = Blob.of(RawTar.gzip(json));
    Blob archive = Blob.of(RawTar.gzip(tar(node, json)));
    Manifest manifest =
        new Manifest(
            List.of(
                new Manifest.Part(
                    archive.digest(), "application/vnd.spack.install.v2.tar+gzip", "gzip"),
                new Manifest.Part(spec.digest(), "application/vnd.spack.spec.v5+json", "gzip")));
    return new Pushed(node, manifest.json(), archive, spec);
  }

  private static Set<DagHash> closure(SpecDocument document, SpecNode root) {
    Set<DagHash> seen = new LinkedHashSet<>();
    Deque<DagHash> open = new ArrayDeque<>(List.of(root.hash()));
    while (!open.isEmpty()) {
      DagHash hash = open.pop();
      if (seen.add(hash)) {
        document.node(hash).dependencies().stream().map(SpecDependency::hash).forEach(open::push);
      }
    }
    return seen;
  }

  private static byte[] tar(SpecNode node, byte[] json) {
    String prefix = ROOT.substring(1) + "/" + node.defaultProjection();
    RawTar tar = new RawTar();
    for (int i = prefix.indexOf('/'); i > 0; i = prefix.indexOf('/', i + 1)) {
      directory(tar, prefix.substring(0, i));
    }
    directory(tar, prefix);
    directory(tar, prefix + "/.spack");
    String facts =
        "buildpath: %s\nrelative_prefix: %s\nrelocate_textfiles: []\nrelocate_binaries: []\nrelocate_links: []\n"
            .formatted(ROOT, node.defaultProjection());
    file(tar, prefix + "/.spack/binary_distribution", facts.getBytes(StandardCharsets.UTF_8));
    file(tar, prefix + "/.spack/spec.json", json);
    file(tar, prefix + "/name", node.display().getBytes(StandardCharsets.UTF_8));
    return tar.tar();
  }

  private static void directory(RawTar tar, String path) {
    tar.append(Member.pax("path=" + path), Member.of('5', "x", "", NOTHING));
  }

  private static void file(RawTar tar, String path, byte[] content) {
    tar.append(Member.pax("path=" + path), Member.of('0', "x", "", content));
  }
}
