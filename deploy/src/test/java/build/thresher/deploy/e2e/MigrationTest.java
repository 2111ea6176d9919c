package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.deploy.demo.SpackInstallation;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Mirrors that come in from wherever they may lie, and the same specs as Spack itself migrates
 * them.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(300)
class MigrationTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private FarmUnderTest farm;
  private Path trusted = Path.of("");

  @TempDir Path dir;

  @BeforeAll
  void start(@TempDir Path farmDirectory) throws Exception {
    trusted = Files.createDirectory(farmDirectory.resolve("trusted"));
    Files.copy(Fixtures.SPACK.resolve("v3-signed.pub.asc"), trusted.resolve("strangers.asc"));
    farm =
        FarmUnderTest.start(
            farmDirectory,
            "mirror.pushed=[first, file, http, bucket, strict, trusting, old, older, halfway]",
            "mirror.trusted_keys={old: %1$s, strict: %1$s, halfway: %1$s, trusting: %2$s}"
                .formatted(Fixtures.SPACK.resolve("v3-signed.pub.asc"), trusted),
            "mirror.unsigned=[first, file, http, bucket, older]",
            "mirror.key_type=ed25519",
            "executor.local=false");
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
  }

  private Processes.Ended take(String instance, String where, String... more) throws Exception {
    Map<String, String> environment =
        Map.of(
            "AWS_ENDPOINT_URL",
            "http://" + farm.httpAddress() + "/s3",
            "AWS_ACCESS_KEY_ID",
            "me",
            "AWS_SECRET_ACCESS_KEY",
            Files.readString(farm.tokenFile()).strip());
    return farm.thresher(
        environment,
        Stream.concat(Stream.of("mirror", "import", "--instance", instance, where), Stream.of(more))
            .toArray(String[]::new));
  }

  private Path export(String instance) throws Exception {
    Path out = dir.resolve("exported-" + instance);
    farm.thresher("mirror", "export", "--instance", instance, out.toString()).succeeded();
    return out;
  }

  /**
   * The farm's own mirror, over each protocol that it speaks: signed by a key that nobody trusts.
   */
  @Test
  void aMirrorComesInWithoutItsSignaturesWhereUnsignedSpecsAreTaken() throws Exception {
    take("first", Fixtures.SPACK.resolve("v3-unsigned").toString()).succeeded();
    take("first", Fixtures.SPACK.resolve("v2-unsigned").toString()).succeeded();
    Path exported = export("first");
    Map<String, String> places =
        Map.of(
            "file",
            exported.toString(),
            "http",
            "http://" + farm.httpAddress() + "/mirror/first",
            "bucket",
            "s3://first");
    for (Map.Entry<String, String> place : places.entrySet()) {
      Processes.Ended refused = take(place.getKey(), place.getValue());
      assertEquals(1, refused.exit(), refused.output());
      assertTrue(refused.output().contains("is not trusted here"), refused.output());
      Processes.Ended taken = take(place.getKey(), place.getValue(), "--unsigned");
      assertEquals(0, taken.exit(), taken.output());
      assertTrue(taken.output().contains("3 specs: 3 taken"), taken.output());
      assertEquals(specs(exported), specs(export(place.getKey())), place.getValue());
    }
    Processes.Ended strict = take("strict", exported.toString(), "--unsigned");
    assertEquals(1, strict.exit(), strict.output());
    assertTrue(strict.output().contains("not signed"), strict.output());
    farm.stopServer();
    for (Path key : keys(exported)) {
      Files.copy(key, trusted.resolve("exported.asc"));
    }
    farm.startServer();
    Processes.Ended trusting = take("trusting", exported.toString());
    assertEquals(0, trusting.exit(), trusting.output());
    assertTrue(trusting.output().contains("3 specs: 3 taken"), trusting.output());
  }

  /** The public keys that a mirror of layout v3 serves; here one. */
  private static List<Path> keys(Path mirror) throws IOException {
    try (Stream<Path> files = Files.walk(mirror.resolve("v3/manifests/key"))) {
      return files
          .filter(f -> f.toString().endsWith(".key.manifest.json"))
          .map(f -> blob(mirror, checksum(f, "pgp-keys")))
          .toList();
    }
  }

  /** What a manifest names of a kind. */
  private static String checksum(Path manifest, String kind) {
    try {
      String text = Files.readString(manifest);
      for (JsonNode part : manifest(text).path("data")) {
        if (part.path("mediaType").asText().contains(kind)) {
          return part.path("checksum").asText();
        }
      }
      throw new AssertionError("no " + kind + " in " + text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The one file that the other mirror does not give keeps the import half-way. */
  @Test
  void anImportThatWasKilledTakesTheRestTheNextTime() throws Exception {
    Path source = Fixtures.SPACK.resolve("v3-signed");
    List<Digest> blobs = new ArrayList<>();
    try (Stream<Path> files = Files.walk(source.resolve("blobs"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        blobs.add(Digest.of(Files.readAllBytes(file)));
      }
    }
    Path last = source.resolve("v3/manifests/spec/fl-right");
    String stalled;
    try (Stream<Path> files = Files.walk(last)) {
      stalled = checksum(files.filter(Files::isRegularFile).findFirst().orElseThrow(), ".install.");
    }
    int before = missing(blobs);
    for (boolean serverToo : List.of(false, true)) {
      FarmUnderTest.Client client;
      try (StallingMirror mirror = new StallingMirror(source, stalled)) {
        client = farm.startThresher("mirror", "import", "--instance", "halfway", mirror.url());
        mirror.awaitReader();
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (missing(blobs) == before) {
          assertTrue(System.nanoTime() < deadline, "nothing arrives");
          Thread.sleep(20);
        }
        if (serverToo) {
          farm.killServer();
        }
        client.process().destroyForcibly().waitFor();
      }
      assertFalse(client.output().contains("[+]"), client.output());
    }
    farm.startServer();
    int left = missing(blobs);
    Processes.Ended rest = take("halfway", source.toString(), "--json");
    assertEquals(0, rest.exit(), rest.output());
    List<String> taken = rest.output().lines().filter(l -> l.contains("\"taken\"")).toList();
    assertEquals(7, taken.size(), rest.output());
    assertTrue(left < before && missing(blobs) < left, "it was not half-way");
  }

  private int missing(List<Digest> blobs) throws Exception {
    ManagedChannel channel = farm.connect();
    try {
      Scope scope = new Scope("halfway", "test");
      return new RemoteBlobStore(channel, "halfway").findMissing(scope, blobs).size();
    } finally {
      channel.shutdownNow();
    }
  }

  @Test
  void whatSpackMigratesIsSpecBySpecWhatTheFarmTakes() throws Exception {
    Optional<SpackInstallation> spack = SpackInstallation.find(System.getenv());
    assumeTrue(spack.isPresent(), "SKIPPED: no Spack found (SPACK_ROOT, PATH, ~/spack)");
    for (Map.Entry<String, String> mirror :
        Map.of("v2-signed", "old", "v2-unsigned", "older").entrySet()) {
      Path copy = dir.resolve(mirror.getKey());
      copy(Fixtures.SPACK.resolve(mirror.getKey()), copy);
      migrate(spack.get(), copy);
      take(mirror.getValue(), Fixtures.SPACK.resolve(mirror.getKey()).toString()).succeeded();
      Map<String, Migrated> theirs = specs(copy);
      assertTrue(!theirs.isEmpty(), "Spack migrated nothing");
      assertEquals(theirs, specs(export(mirror.getValue())));
    }
  }

  private void migrate(SpackInstallation spack, Path mirror) throws Exception {
    Path scope = Files.createDirectories(mirror.resolveSibling(mirror.getFileName() + "-scope"));
    Files.writeString(
        scope.resolve("mirrors.yaml"), "mirrors::\n  it:\n    url: " + mirror.toUri() + "\n");
    Map<String, String> environment = new HashMap<>();
    environment.put("SPACK_USER_CONFIG_PATH", scope.toString());
    environment.put("SPACK_USER_CACHE_PATH", scope.resolve("cache").toString());
    environment.put("SPACK_DISABLE_LOCAL_CONFIG", "1");
    List<String> command =
        List.of(
            spack.program().toString(),
            "-C",
            scope.toString(),
            "buildcache",
            "migrate",
            "--unsigned",
            "--yes-to-all",
            "it");
    Processes.run(dir, environment, command).succeeded();
  }

  /**
   * What installs a spec: its archive, and its nodes, whose order means nothing but for the first.
   */
  private record Migrated(String archive, Map<String, JsonNode> nodes) {}

  /** Of a mirror of layout v3, by hash. */
  private static Map<String, Migrated> specs(Path mirror) throws IOException {
    Map<String, Migrated> found = new TreeMap<>();
    try (Stream<Path> manifests = Files.walk(mirror.resolve("v3/manifests/spec"))) {
      for (Path file : manifests.filter(Files::isRegularFile).toList()) {
        JsonNode manifest = manifest(Files.readString(file));
        String archive = "";
        JsonNode spec = JSON.createObjectNode();
        for (JsonNode part : manifest.path("data")) {
          String sha256 = part.path("checksum").asText();
          if (part.path("mediaType").asText().contains(".install.")) {
            archive = sha256;
          } else {
            spec = read(mirror, sha256, part.path("compression").asText());
          }
        }
        Map<String, JsonNode> nodes = new TreeMap<>();
        spec.path("spec").path("nodes").forEach(node -> nodes.put(hash(node), node));
        found.put(hash(spec.path("spec").path("nodes").path(0)), new Migrated(archive, nodes));
      }
    }
    return found;
  }

  /** Clear-signed or not. */
  private static JsonNode manifest(String text) throws IOException {
    return JSON.readTree(text.substring(text.indexOf('{'), text.lastIndexOf('}') + 1));
  }

  private static Path blob(Path mirror, String sha256) {
    return mirror.resolve("blobs/sha256").resolve(sha256.substring(0, 2)).resolve(sha256);
  }

  private static String hash(JsonNode node) {
    return node.path("hash").asText();
  }

  private static JsonNode read(Path mirror, String sha256, String compression) throws IOException {
    try (InputStream stored = Files.newInputStream(blob(mirror, sha256));
        InputStream text = compression.equals("gzip") ? new GZIPInputStream(stored) : stored) {
      return JSON.readTree(text.readAllBytes());
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(from.relativize(file).toString()));
      }
    }
  }
}
