package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.deploy.demo.SpackInstallation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Mirrors that real Spack releases wrote, into the farm and out of it again. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(300)
class MirrorTransferTest {

  private FarmUnderTest farm;

  @TempDir Path dir;

  @BeforeAll
  void start(@TempDir Path farmDirectory) throws Exception {
    farm =
        FarmUnderTest.start(
            farmDirectory,
            "mirror.pushed=[fresh, release, review, copy, images, copies]",
            "mirror.trusted_keys={fresh: %1$s, release: %1$s}"
                .formatted(Fixtures.SPACK.resolve("v3-signed.pub.asc")),
            "mirror.unsigned=[review, copy, images, copies]");
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
  }

  private Processes.Ended take(String instance, String where, String... more) throws Exception {
    return farm.thresher(
        Stream.concat(Stream.of("mirror", "import", "--instance", instance, where), Stream.of(more))
            .toArray(String[]::new));
  }

  private static String fixture(String name) {
    return Fixtures.SPACK.resolve(name).toString();
  }

  @Test
  void mirrorsOfBothLayoutsComeInAndASecondTimeNothingIsUploaded() throws Exception {
    Processes.Ended v3 = take("fresh", fixture("v3-signed"));
    assertEquals(0, v3.exit(), v3.output());
    assertTrue(v3.output().contains("7 specs: 7 taken, 0 there already"), v3.output());
    Processes.Ended again = take("fresh", "file://" + fixture("v3-signed"));
    assertTrue(again.output().contains("7 specs: 0 taken, 7 there already"), again.output());
    assertTrue(again.output().contains("0 bytes uploaded"), again.output());
    Processes.Ended v2 = take("fresh", fixture("v2-signed"));
    assertEquals(0, v2.exit(), v2.output());
    assertTrue(v2.output().contains("5 specs: 5 taken"), v2.output());
    assertTrue(v2.output().contains("layout v2"), v2.output());
  }

  @Test
  void whatNobodyTrustedSignedAndWhatIsBrokenStaysOut() throws Exception {
    Processes.Ended unsigned = take("release", fixture("v2-unsigned"));
    assertEquals(1, unsigned.exit(), unsigned.output());
    assertTrue(unsigned.output().contains("not signed"), unsigned.output());
    Processes.Ended broken = take("review", fixture("v2-broken"));
    assertEquals(1, broken.exit(), broken.output());
    assertTrue(broken.output().contains("1 failed"), broken.output());
    Processes.Ended built = take("default", fixture("v3-unsigned"));
    assertEquals(1, built.exit(), built.output());
    assertTrue(built.output().contains("takes no specs from elsewhere"), built.output());
    Processes.Ended nothing = take("review", dir.toString());
    assertFalse(nothing.exit() == 0, nothing.output());
    assertTrue(nothing.output().contains("there is no mirror at"), nothing.output());
    assertEquals(2, take("nowhere", fixture("v3-unsigned"), "--jobs", "0").exit());
  }

  @Test
  void anExportIsAMirrorThatIsBroughtUpToDate() throws Exception {
    assertEquals(0, take("review", fixture("v3-unsigned")).exit());
    assertEquals(0, take("review", fixture("v2-unsigned")).exit());
    Path out = dir.resolve("out");
    Processes.Ended export =
        farm.thresher("mirror", "export", "--instance", "review", out.toString());
    assertEquals(0, export.exit(), export.output());
    assertTrue(export.output().contains("3 specs"), export.output());
    byte[] index = Files.readAllBytes(out.resolve("v3/manifests/index/index.manifest.json"));
    long blobs = count(out.resolve("blobs"));
    Processes.Ended again =
        farm.thresher("mirror", "export", "--instance", "review", out.toString());
    assertEquals(0, again.exit(), again.output());
    assertArrayEquals(
        index, Files.readAllBytes(out.resolve("v3/manifests/index/index.manifest.json")));
    assertEquals(blobs, count(out.resolve("blobs")));
  }

  @Test
  void aRegistryOfImagesThatStandForSpecsComesIn() throws Exception {
    assertEquals(0, take("images", fixture("v3-unsigned")).exit());
    String registry = "oci+http://" + farm.httpAddress() + "/images";
    Processes.Ended copied = take("copies", registry);
    assertEquals(0, copied.exit(), copied.output());
    assertTrue(copied.output().contains("2 specs: 2 taken"), copied.output());
    assertFalse(copied.output().contains("layout v2"), copied.output());
    Processes.Ended again = take("copies", registry);
    assertTrue(again.output().contains("2 specs: 0 taken, 2 there already"), again.output());
    Processes.Ended unsigned = take("release", registry);
    assertEquals(1, unsigned.exit(), unsigned.output());
    assertTrue(unsigned.output().contains("not signed"), unsigned.output());
    Processes.Ended nowhere = take("copies", "oci+http://" + farm.httpAddress() + "/nowhere");
    assertFalse(nowhere.exit() == 0, nowhere.output());
    assertTrue(nowhere.output().contains("is no repository"), nowhere.output());
  }

  private static long count(Path below) throws IOException {
    try (Stream<Path> files = Files.walk(below)) {
      return files.filter(Files::isRegularFile).count();
    }
  }

  @Test
  void anUnmodifiedSpackListsWhatWasMigrated() throws Exception {
    Optional<SpackInstallation> spack = SpackInstallation.find(System.getenv());
    org.junit.jupiter.api.Assumptions.assumeTrue(
        spack.isPresent(), "SKIPPED: no Spack found (SPACK_ROOT, PATH, ~/spack); see README");
    assertEquals(0, take("release", fixture("v3-signed")).exit());
    assertEquals(0, take("release", fixture("v2-signed")).exit());
    Path out = dir.resolve("exported");
    assertEquals(
        0, farm.thresher("mirror", "export", "--instance", "release", out.toString()).exit());
    Path scope = Files.createDirectories(dir.resolve("scope"));
    Map<String, String> environment = new HashMap<>();
    environment.put("SPACK_USER_CONFIG_PATH", scope.toString());
    environment.put("SPACK_USER_CACHE_PATH", dir.resolve("cache").toString());
    environment.put("SPACK_DISABLE_LOCAL_CONFIG", "1");
    for (String url :
        List.of(out.toUri().toString(), "http://" + farm.httpAddress() + "/mirror/release")) {
      Files.writeString(
          scope.resolve("mirrors.yaml"), "mirrors::\n  farm:\n    url: " + url + "\n");
      Processes.Ended listed =
          Processes.run(
              dir,
              environment,
              List.of(
                  spack.get().root().resolve("bin/spack").toString(),
                  "-C",
                  scope.toString(),
                  "buildcache",
                  "list",
                  "--allarch",
                  "-l"));
      assertEquals(0, listed.exit(), listed.output());
      assertTrue(listed.output().contains("4mur777 fl-core@1.0"), listed.output()); // of Spack 0.23
      assertTrue(listed.output().contains("txgvl4y fl-core@1.0"), listed.output()); // of Spack 1.3
    }
  }
}
