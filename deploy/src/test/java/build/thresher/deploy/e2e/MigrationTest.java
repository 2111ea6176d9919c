package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.deploy.demo.SpackInstallation;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
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
  private static final Path FIXTURES =
      Path.of("../cas/server/src/test/resources/spack").toAbsolutePath().normalize();
  private static final ObjectMapper JSON = new ObjectMapper();

  private FarmUnderTest farm;

  @TempDir Path dir;

  @BeforeAll
  void start(@TempDir Path farmDirectory) throws Exception {
    farm =
        FarmUnderTest.start(
            farmDirectory,
            "mirror.pushed=[first, file, http, bucket, strict, old, older]",
            "mirror.trusted_keys={old: %1$s, strict: %1$s}"
                .formatted(FIXTURES.resolve("v3-signed.pub.asc")),
            "mirror.unsigned=[first, file, http, bucket, older]",
            "executor.local=false");
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
  }

  private Processes.Ended take(String instance, String where, String... more) throws Exception {
    List<String> command =
        Stream.concat(
                Stream.of(
                    FarmUnderTest.PROGRAM.toString(),
                    "mirror",
                    "import",
                    "--instance",
                    instance,
                    where),
                Stream.of(more))
            .toList();
    Map<String, String> environment = new HashMap<>(farm.clientEnvironment());
    environment.put("AWS_ENDPOINT_URL", "http://" + farm.httpAddress() + "/s3");
    environment.put("AWS_ACCESS_KEY_ID", "me");
    environment.put("AWS_SECRET_ACCESS_KEY", Files.readString(farm.tokenFile()).strip());
    return Processes.run(dir, environment, command);
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
    take("first", FIXTURES.resolve("v3-unsigned").toString()).succeeded();
    take("first", FIXTURES.resolve("v2-unsigned").toString()).succeeded();
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
  }

  @Test
  void whatSpackMigratesIsSpecBySpecWhatTheFarmTakes() throws Exception {
    Optional<SpackInstallation> spack = SpackInstallation.find(System.getenv());
    assumeTrue(spack.isPresent(), "SKIPPED: no Spack found (SPACK_ROOT, PATH, ~/spack)");
    for (Map.Entry<String, String> mirror :
        Map.of("v2-signed", "old", "v2-unsigned", "older").entrySet()) {
      Path copy = dir.resolve(mirror.getKey());
      copy(FIXTURES.resolve(mirror.getKey()), copy);
      migrate(spack.get(), copy);
      take(mirror.getValue(), FIXTURES.resolve(mirror.getKey()).toString()).succeeded();
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
        String text = Files.readString(file);
        JsonNode manifest =
            JSON.readTree(text.substring(text.indexOf('{'), text.lastIndexOf('}') + 1));
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

  private static String hash(JsonNode node) {
    return node.path("hash").asText();
  }

  private static JsonNode read(Path mirror, String sha256, String compression) throws IOException {
    Path blob = mirror.resolve("blobs/sha256").resolve(sha256.substring(0, 2)).resolve(sha256);
    try (InputStream stored = Files.newInputStream(blob);
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
