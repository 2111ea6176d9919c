package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a reader of a mirror sees, and that it is whole. */
final class PublishedState {
  private static final String INDEX = "v3/manifests/index/index.manifest.json";
  private static final Pattern CHECKSUM = Pattern.compile("\"checksum\":\"([0-9a-f]{64})\"");
  private static final Pattern ENTRY =
      Pattern.compile("\"([a-z2-7]{32})\":\\{\"spec\":|\"in_buildcache\":(true|false)\\}");

  private PublishedState() {}

  /** What is listed is whole, and all that there is is listed. Nobody may publish meanwhile. */
  static Set<DagHash> requireWhole(RocksSpackMirror mirror, BlobStore blobs, String instance)
      throws Exception {
    Set<DagHash> listed = requireListedWhole(mirror, blobs, instance);
    assertEquals(mirror.size(instance), listed.size(), "specs that the index does not list");
    return listed;
  }

  /**
   * Every entry of the index has its signed manifest, and every manifest its blobs, byte by byte.
   */
  static Set<DagHash> requireListedWhole(RocksSpackMirror mirror, BlobStore blobs, String instance)
      throws Exception {
    return requireListedWhole(mirror, blobs, instance, INDEX);
  }

  /** The same of a view's index. */
  static Set<DagHash> requireListedWhole(
      RocksSpackMirror mirror, BlobStore blobs, String instance, String manifestPath)
      throws Exception {
    Set<DagHash> listed = new HashSet<>();
    for (String index : checksums(text(mirror, blobs, instance, manifestPath))) {
      String json = text(mirror, blobs, instance, blobPath(index));
      assertTrue(json.endsWith("}}}"), "the index is cut off");
      String hash = "";
      Matcher m = ENTRY.matcher(json);
      while (m.find()) {
        if (m.group(1) != null) {
          hash = m.group(1);
        } else if (m.group(2).equals("true")) {
          listed.add(new DagHash(hash));
        }
      }
    }
    for (DagHash hash : listed) {
      PublishedSpec spec = mirror.find(instance, hash).orElseThrow();
      String path = MirrorPath.ofSpec(spec.name(), spec.version(), hash);
      String manifest = text(mirror, blobs, instance, path);
      assertTrue(manifest.contains("-----END PGP SIGNATURE-----"), manifest);
      List<String> named = checksums(manifest);
      assertEquals(List.of(spec.archive().hex(), spec.spec().hex()), named);
      for (String blob : named) {
        assertEquals(blob, readWhole(mirror, blobs, instance, blobPath(blob)).hex());
      }
    }
    return listed;
  }

  /** Where the index is that a reader is told of now. */
  static String indexPath(RocksSpackMirror mirror, BlobStore blobs, String instance)
      throws Exception {
    return blobPath(checksums(text(mirror, blobs, instance, INDEX)).getFirst());
  }

  static String blobPath(String hex) {
    return "blobs/sha256/" + hex.substring(0, 2) + "/" + hex;
  }

  static List<String> checksums(String manifest) {
    return CHECKSUM.matcher(manifest).results().map(r -> r.group(1)).toList();
  }

  private static Digest readWhole(
      RocksSpackMirror mirror, BlobStore blobs, String instance, String path) throws Exception {
    Served served = mirror.get(instance, path).orElseThrow(() -> new AssertionError(path));
    try (InputStream in = blobs.read(Scope.farm(instance), served.digest(), 0, Long.MAX_VALUE)) {
      return Digest.of(in.readAllBytes());
    }
  }

  static String text(RocksSpackMirror mirror, BlobStore blobs, String instance, String path)
      throws Exception {
    Served served = mirror.get(instance, path).orElseThrow(() -> new AssertionError(path));
    byte[] bytes =
        switch (served) {
          case Served.Document d -> d.bytes();
          case Served.StoredBlob b -> blobs.readAll(Scope.farm(instance), b.digest());
        };
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
