package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import com.google.common.collect.ImmutableMap;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** The mirror that a real Spack wrote: seven specs below {@code /opt/farmlab/store}. */
public final class SpackFixture {
  public static final Path DIR = Path.of("src/test/resources/spack/v3-signed");
  public static final String INSTALL_ROOT = "/opt/farmlab/store";

  private static final Pattern PART =
      Pattern.compile(
          "\"contentLength\":(\\d+),\\s+\"mediaType\":\"([^\"]+)\"[^}]*\"checksum\":\"([0-9a-f]{64})\"");

  private SpackFixture() {}

  /** Instances whose root is the one that these specs were built for. */
  public static MirrorOptions mirrorOptions(String... instances) {
    return MirrorOptions.of(
        Stream.of(instances).collect(ImmutableMap.toImmutableMap(i -> i, i -> INSTALL_ROOT)));
  }

  /**
   * Puts all archives and specs into the store and says what a build would hand in for each, in an
   * order in which they can be built: what a spec needs comes before it.
   */
  public static List<BuiltSpec> builtSpecs(BlobStore blobs) throws Exception {
    Map<DagHash, BuiltSpec> left = new LinkedHashMap<>();
    for (Path manifest : files(DIR.resolve("v3/manifests/spec"))) {
      BuiltSpec built = builtSpec(blobs, manifest);
      left.put(built.node().hash(), built);
    }
    List<BuiltSpec> ordered = new ArrayList<>();
    while (!left.isEmpty()) {
      List<BuiltSpec> ready =
          left.values().stream()
              .filter(
                  b -> b.node().dependencies().stream().noneMatch(d -> left.containsKey(d.hash())))
              .toList();
      ready.forEach(b -> left.remove(b.node().hash()));
      ordered.addAll(ready);
    }
    return ordered;
  }

  public static BuiltSpec builtSpec(BlobStore blobs, String name) throws Exception {
    return builtSpec(blobs, files(DIR.resolve("v3/manifests/spec/" + name)).getFirst());
  }

  private static BuiltSpec builtSpec(BlobStore blobs, Path manifest) throws Exception {
    Matcher m = PART.matcher(Files.readString(manifest));
    Digest archive = Digest.EMPTY;
    String archiveType = "";
    Digest spec = Digest.EMPTY;
    String specType = "";
    while (m.find()) {
      Digest digest = Digest.parse(m.group(3), Long.parseLong(m.group(1)));
      blobs.put(Scope.farm(""), blob(digest));
      if (m.group(2).contains("install")) {
        archive = digest;
        archiveType = m.group(2);
      } else {
        spec = digest;
        specType = m.group(2);
      }
    }
    SpecDocument document = SpecDocument.parse(gunzip(blob(spec)));
    SpecNode node = document.node(document.roots().getFirst());
    String prefix = INSTALL_ROOT + "/" + node.defaultProjection();
    return new BuiltSpec(
        node,
        archive,
        archiveType,
        spec,
        specType,
        INSTALL_ROOT,
        prefix,
        Map.of("executor", "fixture"));
  }

  public static byte[] blob(Digest digest) throws IOException {
    return Files.readAllBytes(
        DIR.resolve("blobs/sha256/" + digest.hex().substring(0, 2) + "/" + digest.hex()));
  }

  public static byte[] gunzip(byte[] bytes) throws IOException {
    try (var in = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
      return in.readAllBytes();
    }
  }

  private static List<Path> files(Path dir) {
    try (Stream<Path> walk = Files.walk(dir)) {
      return walk.filter(Files::isRegularFile).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
