package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Real packages from their upstream archives: ncurses, libevent, and tmux on top of both. Debian
 * keeps the archives as upstream published them; the farm takes them from a source mirror.
 */
@Tag("long")
class UpstreamTest {
  private static final String SPEC = "tmux@3.5a ^libevent@2.1.12~openssl ^ncurses@6.4";

  /** Path below a Debian mirror, by the sha256 that the recipes ask for. */
  private static final Map<String, String> ARCHIVES =
      Map.of(
          "16216bd0877170dfcc64157085ba9013610b12b082548c7c9542cc0103198951",
          "pool/main/t/tmux/tmux_3.5a.orig.tar.gz",
          "92e6de1be9ec176428fd2367677e61ceffc2ee1cb119035037a27d346b0403bb",
          "pool/main/libe/libevent/libevent_2.1.12-stable.orig.tar.gz",
          "6931283d9ac87c5073f30b6290c4c75f21632bb4fc3603ac8100812bed248159",
          "pool/main/n/ncurses/ncurses_6.4.orig.tar.gz");

  @Test
  void tmuxIsBuiltFromUpstreamArchivesAndRunsWhereSpackInstalledIt(@TempDir Path directory)
      throws Exception {
    for (String tool : List.of("bison", "m4")) {
      assumeTrue(
          Tools.find(tool).isPresent(), "SKIPPED: " + tool + ", which tmux needs, is not here");
    }
    SpackWorld world = SpackWorld.makeWhole(directory.resolve("world"));
    Path sources = world.directory().resolve("sources");
    String debian = debian(directory);
    for (Map.Entry<String, String> archive : ARCHIVES.entrySet()) {
      download(debian, archive.getValue(), cached(sources, archive.getKey()));
    }
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            "executor.slots=2",
            "sources.mirrors=[" + world.sources() + "]")) {
      world.keepCompilerWrapper();
      Processes.Ended install = world.farm(farm, "install", "-y", SPEC);
      assertEquals(0, install.exit(), () -> install.output() + logs(farm));
      Processes.Ended location = world.spack("location", "-i", "tmux").succeeded();
      String prefix = location.output().strip().lines().reduce("", (before, line) -> line);
      Processes.Ended version =
          Processes.run(directory, Map.of(), List.of(prefix + "/bin/tmux", "-V"));
      assertEquals("tmux 3.5a", version.succeeded().output().strip());
    }
  }

  private static Path cached(Path sources, String sha256) {
    return sources.resolve(
        "_source-cache/archive/" + sha256.substring(0, 2) + '/' + sha256 + ".tar.gz");
  }

  /** What THRESHER_TEST_DEBIAN names, else where this machine's own packages come from. */
  private static String debian(Path scratch) throws Exception {
    String named = System.getenv("THRESHER_TEST_DEBIAN");
    if (named != null) {
      return named;
    }
    assumeTrue(Tools.find("apt-get").isPresent(), "SKIPPED: THRESHER_TEST_DEBIAN names no mirror");
    List<String> command =
        List.of("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages");
    String uris = Processes.run(scratch, Map.of(), command).succeeded().output();
    assumeTrue(!uris.isEmpty(), "SKIPPED: apt-get knows no mirror; THRESHER_TEST_DEBIAN may");
    return uris.lines().findFirst().orElseThrow().replaceAll("/$", "");
  }

  private static void download(String mirror, String path, Path to) throws Exception {
    Files.createDirectories(Objects.requireNonNull(to.getParent()));
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(mirror + '/' + path))
            .timeout(Duration.ofMinutes(5))
            .build();
    try (HttpClient client =
        HttpClient.newBuilder()
            .connectTimeout(Duration.ofSeconds(20))
            .followRedirects(HttpClient.Redirect.NORMAL)
            .build()) {
      HttpResponse<InputStream> answer =
          client.send(request, HttpResponse.BodyHandlers.ofInputStream());
      assumeTrue(answer.statusCode() == 200, "SKIPPED: " + mirror + " has no " + path);
      try (InputStream body = answer.body()) {
        Files.copy(body, to, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      assumeTrue(
          false, "SKIPPED: " + mirror + " does not answer (" + e + "); set THRESHER_TEST_DEBIAN");
    }
  }

  private static String logs(FarmUnderTest farm) {
    try {
      return farm.logs();
    } catch (IOException e) {
      return "(no logs: " + e + ")";
    }
  }
}
