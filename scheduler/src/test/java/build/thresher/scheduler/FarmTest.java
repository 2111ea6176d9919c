package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.testing.Dag;
import build.thresher.v1.Lease;
import build.thresher.v1.Prefix;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.SpackBuild;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The whole way of a request, over real connections, with executors that follow a script. */
@Timeout(180)
class FarmTest {
  @TempDir Path directory = Path.of("");
  private TestFarm farm = unopened();

  @SuppressWarnings("NullAway") // set before each test
  private static TestFarm unopened() {
    return null;
  }

  @BeforeEach
  void open() throws Exception {
    farm = new TestFarm(directory);
  }

  @AfterEach
  void close() throws Exception {
    farm.close();
  }

  private static Dag suite() {
    return new Dag()
        .external("gcc", "12.2.0", "/usr")
        .external("glibc", "2.36", "/usr")
        .node("wrapper")
        .node("zlib", "gcc:build", "glibc:link", "wrapper:build")
        .node("cmake", "zlib:link", "gcc:build")
        .node("lib", "zlib:link", "cmake:build", "gcc:build")
        .node("app", "lib:link,run", "gcc:build", "wrapper:build");
  }

  @Test
  void executeLeasesCompletesPublishesAndFinishes() throws Exception {
    Dag dag = suite();
    List<String> order = new CopyOnWriteArrayList<>();
    try (var executor = new ScriptedExecutor(farm, "e1")) {
      executor.run(
          2,
          (outcome, lease) -> {
            order.add(lease.getSpackBuild().getName());
            return executor.success(lease);
          });
      Request done = TestFarm.last(farm.client().execute(farm.request(dag, "alice").build()));
      assertEquals(RequestState.REQUEST_SUCCEEDED, done.getState());
      assertEquals(5, done.getTasksCount());
      assertEquals(2, done.getExternalsCount());
      for (Task task : done.getTasksList()) {
        assertEquals(TaskState.TASK_SUCCEEDED, task.getState(), task.getName());
        assertEquals(1, task.getAttempt());
      }
      assertEquals(List.of("wrapper", "zlib", "cmake", "lib", "app"), order);
      assertEquals(5, farm.mirror.size());
    }
  }

  @Test
  void aLeaseSaysAllThatABuildNeeds() throws Exception {
    Dag dag = suite();
    List<SpackBuild> builds = new CopyOnWriteArrayList<>();
    try (var executor = new ScriptedExecutor(farm, "e1")) {
      executor.run(
          1,
          (outcome, lease) -> {
            builds.add(lease.getSpackBuild());
            return executor.success(lease);
          });
      TestFarm.last(farm.client().execute(farm.request(dag, "alice").build()));
    }
    SpackBuild app = builds.getLast();
    assertEquals("app", app.getName());
    assertEquals(256, app.getInstallRoot().length());
    assertTrue(app.getInstallRoot().startsWith("/thresher/store/__spack_path_placeholder__/"));
    assertEquals(
        app.getInstallRoot() + "/linux-x86_64_v3/app-1.0-" + dag.hash("app"), app.getPrefix());
    List<String> prefixes = app.getPrefixesList().stream().map(Prefix::getHash).toList();
    assertEquals(
        List.of(dag.hash("wrapper"), dag.hash("zlib"), dag.hash("lib")),
        prefixes,
        "cmake was needed to build lib, not to use it");
    List<String> registered = app.getRegisterList();
    assertEquals(5, registered.size(), "the externals are registered too");
    assertTrue(registered.indexOf(dag.hash("gcc")) < registered.indexOf(dag.hash("zlib")));
    assertTrue(registered.indexOf(dag.hash("glibc")) < registered.indexOf(dag.hash("zlib")));
    assertEquals(
        prefixes,
        registered.stream().filter(prefixes::contains).toList(),
        "dependencies first in both");
    ByteBuffer texts = app.getNodeTexts().asReadOnlyByteBuffer();
    assertEquals(7 * 36, texts.remaining(), "cmake stands in the document all the same");
    byte[] hash = new byte[Digest.HASH_BYTES];
    texts.get(hash);
    byte[] text =
        farm.blobs
            .readAll(Scope.farm("default"), List.of(Digest.fromHash(hash, texts.getInt())))
            .getFirst()
            .bytes();
    assertTrue(
        new String(text, StandardCharsets.UTF_8).startsWith("{\"name\":\"app\""),
        "the node itself comes first");
  }

  @Test
  void whatIsPublishedIsNotBuiltAgain() throws Exception {
    Dag dag = suite();
    try (var executor = new ScriptedExecutor(farm, "e1").succeeding(2)) {
      TestFarm.last(farm.client().execute(farm.request(dag, "alice").build()));
      Request again = TestFarm.last(farm.client().execute(farm.request(dag, "bob").build()));
      assertEquals(RequestState.REQUEST_SUCCEEDED, again.getState());
      assertEquals(0, again.getTasksCount());
      assertEquals(
          List.of(dag.hash("zlib"), dag.hash("lib"), dag.hash("app")), again.getCachedList());
      assertEquals(5, executor.built.get());
    }
  }

  @Test
  void aLeaseThatIsAskedForBeforeThereIsWorkIsAnsweredWhenThereIs() throws Exception {
    Dag dag = new Dag().node("only");
    var executor = new ScriptedExecutor(farm, "e1");
    executor.register(1);
    List<Lease> leases = new CopyOnWriteArrayList<>();
    Thread poll = Thread.ofVirtual().start(() -> leases.addAll(executor.lease(1, 30)));
    TestFarm.accepted(farm.client().execute(farm.request(dag, "alice").build()));
    poll.join();
    assertEquals(1, leases.size());
  }
}
