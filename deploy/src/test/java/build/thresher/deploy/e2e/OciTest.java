package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Unmodified Spack releases, skopeo and podman, which push to the farm as to a registry and read
 * from it.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(900)
class OciTest {
  private FarmUnderTest farm;
  private Path authority;
  private String registry;

  @TempDir Path dir;

  /** Over TLS: of {@code oci+http} mirrors Spack reads no index. */
  @BeforeAll
  void start(@TempDir Path farmDirectory) throws Exception {
    Certificates certificates = Certificates.make(farmDirectory.resolve("certificates"));
    authority = certificates.authority();
    farm =
        FarmUnderTest.start(
            farmDirectory.resolve("farm"),
            certificates.settings(
                "mirror.pushed=[review]", "mirror.unsigned=[review]", "executor.local=false"));
    farm.trust(authority);
    registry = "localhost:" + farm.httpAddress().replaceFirst(".*:", "");
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
  }

  private void goesRound(SpackWorld world, Path directory) throws Exception {
    new PushedAround(farm, world, directory, Map.of("SSL_CERT_FILE", authority.toString()))
        .goes(ociMirror(), "https://" + registry + "/mirror/review");
  }

  private List<String> ociMirror() {
    return List.of(
        "--oci-username",
        "me",
        "--oci-password-variable",
        "FARM_TOKEN",
        "farm",
        "oci://" + registry + "/review");
  }

  @Test
  void theSpackAtHandPushesListsAndInstalls(@TempDir Path directory) throws Exception {
    goesRound(SpackWorld.make(directory.resolve("world")), directory);
  }

  @Test
  @Tag("long")
  void anotherSpackPushesListsAndInstalls(@TempDir Path directory) throws Exception {
    goesRound(SpackWorld.makeOfAnotherSpack(directory.resolve("world")), directory);
  }

  @Test
  void skopeoCopiesAnImageOfASpecThatCameInByAnotherDoor(@TempDir Path directory) throws Exception {
    assumeTrue(Tools.find("skopeo").isPresent(), "SKIPPED: skopeo is not installed");
    farm.thresher(
            "mirror",
            "import",
            "--instance",
            "review",
            Path.of("../cas/server/src/test/resources/spack/v3-unsigned").toString())
        .succeeded();
    String tag = "fl-left-1.0-u3pznouxudtbllov42fpjq6nz25urz7h.spack";
    String layout = "oci:" + directory.resolve("layout") + ":it";
    String image = "docker://" + registry + "/review";
    skopeo(directory, "copy", "--src-tls-verify=false", image + ":" + tag, layout).succeeded();
    String token = "me:" + Files.readString(farm.tokenFile()).strip();
    skopeo(
            directory,
            "copy",
            "--dest-tls-verify=false",
            "--dest-creds",
            token,
            layout,
            image + "/copies:mine")
        .succeeded();
    Processes.Ended tags =
        skopeo(directory, "list-tags", "--tls-verify=false", image + "/copies").succeeded();
    assertTrue(tags.output().contains("\"mine\""), tags.output());
    Processes.Ended nobody =
        skopeo(directory, "copy", "--dest-tls-verify=false", layout, image + "/copies:other");
    assertEquals(1, nobody.exit(), nobody.output());
    assertTrue(nobody.output().contains("a token of the farm is needed"), nobody.output());
  }

  /** With the site's authority for TLS, and all that it keeps in a directory of the test's own. */
  @Test
  void podmanPullsWhatSpackPushed(@TempDir Path directory) throws Exception {
    Tools.require("podman", "apt install podman");
    SpackWorld world = SpackWorld.make(directory.resolve("world"));
    Map<String, String> environment = new HashMap<>();
    environment.put("SSL_CERT_FILE", authority.toString());
    environment.put("FARM_TOKEN", Files.readString(farm.tokenFile()).strip());
    world.spack("install", "--fake", "fl-core").succeeded();
    List<String> add = new ArrayList<>(List.of("mirror", "add", "--type", "binary", "--unsigned"));
    add.addAll(ociMirror());
    world.spack(environment, add.toArray(String[]::new)).succeeded();
    world
        .spack(environment, "buildcache", "push", "--without-build-dependencies", "farm", "fl-core")
        .succeeded();
    String tag =
        lastLine(world.spack("find", "--format", "{name}-{version}-{hash}.spack", "fl-core"));
    String prefix = lastLine(world.spack("location", "-i", "fl-core"));
    Path trusted = Files.createDirectories(directory.resolve("trusted"));
    Files.copy(authority, trusted.resolve("ca.crt"));
    String image = registry + "/review:" + tag;
    podman(directory, "pull", "--cert-dir", trusted.toString(), "docker://" + image).succeeded();
    podman(directory, "create", "--name", "pulled", image, "/none").succeeded();
    Path content = directory.resolve("content.tar");
    podman(directory, "export", "--output", content.toString(), "pulled").succeeded();
    String files =
        Processes.run(directory, Map.of(), List.of("tar", "-tf", content.toString()))
            .succeeded()
            .output();
    assertTrue(files.contains(prefix.substring(1) + "/.spack/spec.json"), files);
  }

  private static String lastLine(Processes.Ended ended) {
    return ended.succeeded().output().strip().lines().reduce("", (before, line) -> line);
  }

  private static Processes.Ended podman(Path directory, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("podman", "--storage-driver", "vfs"));
    command.addAll(List.of("--root", directory.resolve("images").toString()));
    command.addAll(List.of("--runroot", directory.resolve("run").toString()));
    command.addAll(List.of(arguments));
    return Processes.run(directory, Map.of(), command);
  }

  /** Nothing is deleted here, and what is named by another algorithm than sha256 is not kept. */
  @Test
  void theConformanceSuiteOfTheSpecificationFindsNothing(@TempDir Path directory) throws Exception {
    Path suite =
        Tools.require(
            "oci-conformance",
            "go build -o oci-conformance in conformance/ of opencontainers/distribution-spec");
    Map<String, String> environment = new HashMap<>();
    environment.put("OCI_REGISTRY", registry);
    environment.put("SSL_CERT_FILE", authority.toString());
    environment.put("OCI_REPO1", "review/conformance");
    environment.put("OCI_REPO2", "review/conformance/other");
    environment.put("OCI_USERNAME", "me");
    environment.put("OCI_PASSWORD", Files.readString(farm.tokenFile()).strip());
    environment.put("OCI_RESULTS_DIR", directory.resolve("results").toString());
    environment.put("OCI_API_BLOBS_UPLOAD_CANCEL", "true");
    environment.put("OCI_DATA_SHA512", "false");
    Processes.Ended ended = Processes.run(directory, environment, List.of(suite.toString()));
    assertEquals(0, ended.exit(), ended.output());
  }

  private static Processes.Ended skopeo(Path directory, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("skopeo"));
    command.addAll(List.of(arguments));
    return Processes.run(directory, Map.of(), command);
  }
}
