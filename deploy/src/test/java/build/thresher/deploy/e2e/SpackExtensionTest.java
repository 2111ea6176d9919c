package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What somebody who types {@code spack farm …} gets to see. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(SharedWorld.class)
class SpackExtensionTest {
  private static final Pattern REQUEST = Pattern.compile("==> Request (\\S+):");
  private static final Pattern SOURCE = Pattern.compile("(?m)^\\[[+=]\\] ");
  private static final Pattern ESCAPE = Pattern.compile("\u001b");

  private final SpackWorld world;
  private final Solved solved;
  private final FarmUnderTest farm;

  SpackExtensionTest(SpackWorld shared, @TempDir Path directory) throws Exception {
    solved = SharedWorld.solved(shared);
    world = SpackWorld.make(directory.resolve("world"));
    farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            "executor.slots=2",
            "install_tree.root=/opt/site",
            "install_tree.padded_length=90");
    world
        .farm(farm, "install", "--build-only", "--upload-sources", document("fl-core"))
        .succeeded();
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
  }

  @Test
  void allRootsOfAnEnvironmentAreOneRequestAndAreInstalled() throws Exception {
    Path environment = world.environment("fl-app", "fl-left");
    Processes.Ended install = world.farmIn(environment, farm, "install", "--upload-sources");
    assertEquals(0, install.exit(), () -> install.output() + logs());
    assertEquals(1, count(REQUEST, install.output()), install.output());
    assertEquals(0, count(ESCAPE, install.output()), "a file gets plain lines");
    String installed = world.spack("find", "--format", "{name}").succeeded().output();
    assertTrue(installed.contains("fl-app") && installed.contains("fl-left"), installed);
    String app = world.spack("location", "-i", "fl-app").succeeded().output().strip();
    Matcher built =
        Pattern.compile("buildpath: (/opt/site/__spack_path_placeholder__[^,]*),")
            .matcher(Files.readString(Path.of(app, ".spack/binary_distribution")));
    assertTrue(built.find(), "not built where farm.yaml says");
    assertEquals(90, built.group(1).length());

    Processes.Ended again = world.farmIn(environment, farm, "install", "--upload-sources");
    assertTrue(again.succeeded().output().contains("Everything is installed"), again.output());

    Processes.Ended asked =
        world.farmIn(environment, farm, "install", "--upload-sources", "--build-only").succeeded();
    assertTrue(asked.output().contains("nothing to upload"), asked.output());
    assertTrue(asked.output().contains(": 0 to build"), asked.output());
  }

  @Test
  void theSourceMirrorIsFilledForAWholeDagAndPlainSpackFetchesFromItAlone() throws Exception {
    String suite = document("fl-suite");
    Processes.Ended shown = world.farm(farm, "sources", "--dry-run", suite);
    assertTrue(shown.succeeded().output().contains("-  fl-top/fl-top-1.0"), shown.output());
    Processes.Ended filled = world.farm(farm, "sources", "--upload-sources", suite);
    assertEquals(0, filled.exit(), filled.output());
    assertTrue(filled.output().contains("[+] fl-top/fl-top-1.0"), filled.output());
    Processes.Ended again = world.farm(farm, "sources", suite).succeeded();
    assertTrue(again.output().contains(" 0 added"), again.output());

    Path scope = Files.createDirectories(world.directory().resolve("scope"));
    Files.writeString(
        scope.resolve("mirrors.yaml"),
        "mirrors::\n  only: {url: 'http://%s/mirror/default', source: true, binary: false}\n"
            .formatted(farm.httpAddress()));
    Path cache = scope.resolve("cache");
    String ownCache = "config:source_cache:" + cache;
    world.spack("-C", scope.toString(), "-c", ownCache, "fetch", "-D", suite).succeeded();
    try (Stream<Path> fetched = Files.walk(cache)) {
      assertEquals(count(SOURCE, filled.output()), fetched.filter(Files::isRegularFile).count());
    }
  }

  @Test
  void aDetachedRequestIsFoundByStatusRequestsLogsAndWait() throws Exception {
    Solved.Root slow = solved.root("fl-slow", "nap", "3600.021 || true");
    Processes.Ended detached = detach(slow);
    String request = request(detached.output());
    assertTrue(detached.output().contains("spack farm wait " + request), detached.output());
    Processes.until(
        "the build sleeps", () -> !Processes.withCommandLineEnd("sleep 3600.021").isEmpty());

    String status = farm("status");
    assertTrue(status.contains("active request"), status);
    assertTrue(status.contains("of 2 slots busy"), status);
    String shown = farm("status", request.substring(0, 8));
    assertTrue(shown.contains("fl-slow@1.0 leased"), shown);
    assertTrue(farm("requests", "--active").contains(request));
    String soFar = farm("logs", "/" + slow.hash().substring(0, 10));
    assertTrue(soFar.contains("sleep 3600.021"), soFar);

    Processes.withCommandLineEnd("sleep 3600.021").forEach(ProcessHandle::destroy);
    String all = farm("logs", "--follow", "/" + slow.hash());
    assertTrue(all.contains("Executing phase: 'install'"), all);
    assertTrue(farm("wait", request).contains("[+] " + slow.hash().substring(0, 7)));
    assertTrue(farm("requests").contains("succeeded"));
    assertFalse(farm("requests", "--active").contains(request));
  }

  @Test
  void aDetachedRequestIsCancelledByTheHashOfItsNode() throws Exception {
    Solved.Root slow = solved.root("fl-slow", "nap", "3600.022");
    String request = request(detach(slow).output());
    Processes.until(
        "the build sleeps", () -> !Processes.withCommandLineEnd("sleep 3600.022").isEmpty());
    assertTrue(farm("cancel", "/" + slow.hash()).contains("Cancelled " + request));
    Processes.Ended wait = world.farm(farm, "wait", request);
    assertEquals(1, wait.exit(), wait.output());
    assertTrue(wait.output().contains("cancelled"), wait.output());
    Processes.until(
        "no process is left", () -> Processes.withCommandLineEnd("sleep 3600.022").isEmpty());
    Processes.Ended nothing = world.farm(farm, "cancel", "/" + slow.hash());
    assertEquals(2, nothing.exit(), nothing.output());
  }

  @Test
  void theFirstControlCDetachesAndTheBuildGoesOn() throws Exception {
    Solved.Root slow = solved.root("fl-slow", "nap", "3600.023 || true");
    Processes.Ended interrupted =
        world.farmOnTerminal(
            "1 building", farm, "install", "--upload-sources", slow.document().toString());
    assertEquals(130, interrupted.exit(), interrupted.output());
    Matcher cancel =
        Pattern.compile("To cancel: spack farm cancel (\\S+)").matcher(interrupted.output());
    assertTrue(cancel.find(), interrupted.output());
    assertFalse(interrupted.output().contains("Traceback"), interrupted.output());
    Processes.until(
        "the build sleeps", () -> !Processes.withCommandLineEnd("sleep 3600.023").isEmpty());
    Processes.withCommandLineEnd("sleep 3600.023").forEach(ProcessHandle::destroy);
    assertTrue(farm("wait", cancel.group(1)).contains("[+]"));
    assertFalse(world.spack("find", "--format", "{name}").output().contains("fl-slow"));
  }

  @Test
  void aTerminalShowsWhatRunsAndEndsAsPlainLines() throws Exception {
    Solved.Root slow = solved.root("fl-slow", "nap", "1.024");
    Processes.Ended shown =
        world.farmOnTerminal(
            "", farm, "install", "--upload-sources", "--build-only", slow.document().toString());
    assertEquals(0, shown.exit(), shown.output());
    assertTrue(count(ESCAPE, shown.output()) > 0, "a terminal is drawn on: " + shown.output());
    assertTrue(shown.output().contains("0 of 1 done, 1 building"), shown.output());
    assertTrue(shown.output().contains("[+] " + slow.hash().substring(0, 7)), shown.output());
  }

  @Test
  void plainSpackInstallsFromTheMirrorOnceItIsAdded() throws Exception {
    farm("install", "--build-only", "--upload-sources", document("fl-right"));
    Processes.Ended before =
        world.spack("install", "--use-buildcache", "only", document("fl-right"));
    assertNotEquals(0, before.exit(), "it comes from nowhere else: " + before.output());
    String added = farm("mirror", "add", "--scope", "user", "ours");
    assertTrue(added.contains("is trusted"), added);
    assertTrue(world.spack("mirror", "list").succeeded().output().contains(farm.mirrorUrl()));
    assertTrue(farm("mirror", "list").contains(farm.mirrorUrl()));
    farm("mirror", "add", "--scope", "user", "ours"); // once more changes nothing
    world.spack("install", "--use-buildcache", "only", document("fl-right")).succeeded();
    assertTrue(world.spack("find").output().contains("fl-right"));
    assertEquals(
        1, world.farm(farm, "mirror", "add", "--scope", "user", "fl").exit(), "that name is taken");
  }

  @Test
  void optionsThatMeanNothingOnAFarmSayWhatToDoInstead() throws Exception {
    Processes.Ended refused = world.farm(farm, "install", "--fake", "fl-core");
    assertEquals(2, refused.exit(), refused.output());
    assertTrue(refused.output().contains("--fake is no option of"), refused.output());
    Processes.Ended nothing = world.farm(farm, "install");
    assertEquals(1, nothing.exit(), nothing.output());
    assertTrue(nothing.output().contains("needs specs"), nothing.output());
  }

  private String farm(String... arguments) throws Exception {
    return world.farm(farm, arguments).succeeded().output();
  }

  private Processes.Ended detach(Solved.Root root) throws Exception {
    return world
        .farm(farm, "install", "--detach", "--upload-sources", root.document().toString())
        .succeeded();
  }

  private String document(String name) throws Exception {
    return solved.root(name).document().toString();
  }

  private static String request(String output) {
    Matcher found = REQUEST.matcher(output);
    assertTrue(found.find(), output);
    return found.group(1);
  }

  private static long count(Pattern pattern, String text) {
    return pattern.matcher(text).results().count();
  }

  private String logs() {
    try {
      return farm.logs();
    } catch (java.io.IOException e) {
      return "(no logs: " + e + ")";
    }
  }
}
