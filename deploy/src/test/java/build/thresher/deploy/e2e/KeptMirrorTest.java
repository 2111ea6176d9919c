package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.deploy.demo.SpackInstallation;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a mirror keeps, shows and is signed with, as an unmodified Spack sees it. */
@Timeout(300)
class KeptMirrorTest {
  private static final Pattern SPEC = Pattern.compile("(?m)^([a-z2-7]{7}) (fl-[a-z]+)@");
  private static final Pattern FINGERPRINT = Pattern.compile("(?m)^([0-9A-F]{40}) rsa signs$");

  @SuppressWarnings("NullAway.Init") // before each test
  private FarmUnderTest farm;

  @TempDir Path dir;

  @BeforeEach
  void start(@TempDir Path farmDirectory) throws Exception {
    farm =
        FarmUnderTest.start(
            farmDirectory,
            "mirror.pushed=[develop, release]",
            "mirror.trusted_keys={develop: %1$s, release: %1$s}"
                .formatted(Fixtures.SPACK.resolve("v3-signed.pub.asc")));
    assertEquals(
        0, mirror("develop", "import", Fixtures.SPACK.resolve("v3-signed").toString()).exit());
  }

  @AfterEach
  void stop() throws Exception {
    farm.close();
  }

  private Processes.Ended mirror(String instance, String command, String... more) throws Exception {
    return farm.thresher(
        Stream.concat(Stream.of("mirror", command, "--instance", instance), Stream.of(more))
            .toArray(String[]::new));
  }

  private String done(String instance, String command, String... more) throws Exception {
    Processes.Ended ended = mirror(instance, command, more);
    assertEquals(0, ended.exit(), ended.output());
    return ended.output();
  }

  private String url(String instance) {
    return "http://" + farm.httpAddress() + "/mirror/" + instance;
  }

  private Processes.Ended spack(String mirror, String... arguments) throws Exception {
    SpackInstallation spack =
        SpackInstallation.find(System.getenv())
            .orElseGet(
                () ->
                    Assumptions.abort(
                        "SKIPPED: no Spack found (SPACK_ROOT, PATH, ~/spack); see README"));
    Path scope = Files.createDirectories(dir.resolve("scope"));
    Path keys = dir.resolve("gpg");
    if (!Files.exists(keys)) {
      Files.createDirectory(
          keys, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }
    Map<String, String> environment = new HashMap<>();
    environment.put("SPACK_USER_CONFIG_PATH", scope.toString());
    environment.put("SPACK_USER_CACHE_PATH", dir.resolve("cache").toString());
    environment.put("SPACK_DISABLE_LOCAL_CONFIG", "1");
    environment.put("SPACK_GNUPGHOME", keys.toString());
    Files.writeString(scope.resolve("mirrors.yaml"), "mirrors::\n  farm:\n    " + mirror + "\n");
    List<String> command =
        new ArrayList<>(
            List.of(spack.root().resolve("bin/spack").toString(), "-C", scope.toString()));
    command.addAll(List.of(arguments));
    return Processes.run(dir, environment, command);
  }

  /** Names of what Spack finds in a mirror, in order. */
  private List<String> listed(String mirror) throws Exception {
    Processes.Ended listed = spack(mirror, "buildcache", "list", "--allarch", "-l");
    assertEquals(0, listed.exit(), listed.output());
    Matcher m = SPEC.matcher(listed.output());
    return m.results().map(r -> r.group(2)).sorted().toList();
  }

  @Test
  void spackSeesWhatIsKeptAndWhatComesBack() throws Exception {
    assertEquals(7, listed("url: " + url("develop")).size());
    done("develop", "pin", "--name", "mine", "fl-left@1.0", "fl-right");
    assertTrue(done("develop", "pins").contains("mine: fl-left@1.0, fl-right; 2 in the mirror"));
    String dry = done("develop", "prune", "--dry-run", "--keep-accessed", "0");
    assertTrue(dry.contains("would prune 4 specs"), dry);
    String json = done("develop", "prune", "--dry-run", "--json", "--keep-accessed", "1d");
    assertTrue(json.contains("\"pruned_specs\":0"), json);
    assertTrue(json.contains("pinned by `mine`"), json);
    String pruned = done("develop", "prune", "--keep-accessed", "0");
    assertTrue(pruned.contains("pruned 4 specs"), pruned);
    assertEquals(List.of("fl-core", "fl-left", "fl-right"), listed("url: " + url("develop")));
    farm.killServer();
    farm.startServer();
    assertEquals(List.of("fl-core", "fl-left", "fl-right"), listed("url: " + url("develop")));
    assertTrue(done("develop", "restore").contains("4 specs can be put back"));
    assertTrue(done("develop", "restore", "fl-app").contains("restored 1 specs"));
    assertEquals(
        List.of("fl-app", "fl-core", "fl-left", "fl-right"), listed("url: " + url("develop")));
    assertEquals(0, mirror("develop", "unpin", "mine").exit());
    assertEquals(3, mirror("develop", "restore", "nothing").exit());
    // The same mirror takes what went again, as a build or a push would bring it.
    Processes.Ended again =
        mirror("develop", "import", Fixtures.SPACK.resolve("v3-signed").toString());
    assertTrue(again.output().contains("3 taken, 4 there already"), again.output());
  }

  @Test
  void spackReadsViewsAndWhatWasPromoted() throws Exception {
    String view = done("develop", "view", "--package", "fl-left", "left");
    assertTrue(view.contains("left: packages fl-left; shows 2 specs"), view);
    assertEquals(
        List.of("fl-core", "fl-left"), listed("{url: %s, view: left}".formatted(url("develop"))));
    assertEquals(7, listed("url: " + url("develop")).size());
    Processes.Ended promoted =
        farm.thresher("mirror", "promote", "--from", "develop", "--to", "release", "fl-app");
    assertEquals(0, promoted.exit(), promoted.output());
    assertTrue(promoted.output().contains("3 promoted, 0 there already"), promoted.output());
    assertEquals(List.of("fl-app", "fl-core", "fl-right"), listed("url: " + url("release")));
    assertFalse(fingerprint("develop").equals(fingerprint("release")));
    requireSignedBySomebodyTrusted("release", 3);
    Processes.Ended status = farm.thresher("status");
    assertTrue(status.output().contains("ratio 1."), status.output());
    assertTrue(status.output().contains("for instances before it"), status.output());
    assertEquals(0, mirror("develop", "unview", "left").exit());
    assertEquals("", done("develop", "views"));
  }

  @Test
  void spackTrustsANewKeyAndVerifiesAllBeforeAndAfterTheChange() throws Exception {
    String old = fingerprint("develop");
    requireSignedBySomebodyTrusted("develop", 7);
    String announced = done("develop", "rotate", "--announce");
    assertTrue(announced.contains(old + " rsa signs"), announced);
    assertTrue(announced.contains("is announced"), announced);
    requireSignedBySomebodyTrusted("develop", 7);
    done("develop", "rotate");
    long deadline = System.nanoTime() + 60_000_000_000L;
    while (done("develop", "keys").lines().count() > 1) {
      assertTrue(System.nanoTime() < deadline, "the change of keys does not end");
    }
    assertFalse(fingerprint("develop").equals(old));
    requireSignedBySomebodyTrusted("develop", 7);
    farm.killServer();
    farm.startServer();
    assertFalse(fingerprint("develop").equals(old));
    requireSignedBySomebodyTrusted("develop", 7);
  }

  private String fingerprint(String instance) throws Exception {
    Matcher m = FINGERPRINT.matcher(done(instance, "keys"));
    assertTrue(m.find());
    return m.group(1);
  }

  /** Spack installs the keys that are served; its keyring then verifies every manifest. */
  private void requireSignedBySomebodyTrusted(String instance, int specs) throws Exception {
    Processes.Ended keys =
        spack("url: " + url(instance), "buildcache", "keys", "--install", "--trust", "-y");
    assertEquals(0, keys.exit(), keys.output());
    Path out = dir.resolve("exported-" + System.nanoTime());
    done(instance, "export", out.toString());
    try (Stream<Path> files = Files.walk(out.resolve("v3/manifests/spec"))) {
      List<Path> manifests = files.filter(Files::isRegularFile).toList();
      assertEquals(specs, manifests.size());
      for (Path manifest : manifests) {
        Processes.Ended verified =
            Processes.run(
                dir,
                Map.of("GNUPGHOME", dir.resolve("gpg").toString()),
                List.of("gpg", "--batch", "--verify", manifest.toString()));
        assertEquals(0, verified.exit(), verified.output());
      }
    }
  }

  @Test
  void aViewIsNoWayToOtherPaths() throws Exception {
    try (HttpClient http = HttpClient.newHttpClient()) {
      for (String path :
          List.of("none", "..", "%2e%2e", "a/b", ".hidden", "x%00y", "left%2f..%2fleft")) {
        URI uri =
            URI.create(url("develop") + "/v3/manifests/index/" + path + "/index.manifest.json");
        int status =
            http.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.discarding()).statusCode();
        assertTrue(status == 404 || status == 400, path + " gives " + status);
      }
    }
  }
}
