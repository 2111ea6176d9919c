package build.thresher.client;

import static build.thresher.client.Farmed.HASH;
import static build.thresher.client.Farmed.accepted;
import static build.thresher.client.Farmed.failed;
import static build.thresher.client.Farmed.finished;
import static build.thresher.client.Farmed.plan;
import static build.thresher.client.Farmed.run;
import static build.thresher.client.Farmed.task;
import static build.thresher.client.Farmed.update;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.client.Farmed.Ran;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import build.thresher.v1.Usage;
import com.google.protobuf.Duration;
import io.grpc.Status;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BuildCommandTest {
  @TempDir private Path directory = Path.of("");

  @Test
  void uploadsWhatIsMissingBuildsAndShowsItAsSpackDoes() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.then(
          accepted(task(TaskState.TASK_READY, "")),
          update(task(TaskState.TASK_LEASED, "configure")),
          update(task(TaskState.TASK_SUCCEEDED, "")),
          finished(RequestState.REQUEST_SUCCEEDED, task(TaskState.TASK_SUCCEEDED, "")));

      Ran ran = run(farm, "build", "-j", "3", plan(directory).toString());

      assertEquals(0, ran.exitCode(), ran.err());
      assertTrue(ran.out().startsWith("==> uploaded "), ran.out());
      assertTrue(ran.out().contains("[ ] abcdefg zlib@1.3 configure (0s)\n"), ran.out());
      assertTrue(ran.out().contains("[+] abcdefg zlib@1.3 (0s)\n"), ran.out());
      assertEquals(3, farm.executed.getFirst().getOptions().getBuildJobs());
      assertEquals(HASH, farm.executed.getFirst().getRoots(0));
      assertTrue(
          farm.blobs.containsKey(farm.executed.getFirst().getInputs().getCore().getHash()),
          "the root of the core tree is in the store before it is named");
    }
  }

  @Test
  void secondRunUploadsNothing() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.then(accepted(), finished(RequestState.REQUEST_SUCCEEDED));
      farm.then(accepted(), finished(RequestState.REQUEST_SUCCEEDED));
      Path plan = plan(directory);
      run(farm, "build", plan.toString());
      int stored = farm.blobs.size();
      Files.writeString(directory.resolve("tree/__pycache__/a.pyc"), "changed");

      Ran second = run(farm, "build", plan.toString());

      assertTrue(second.out().startsWith("==> nothing to upload\n"), second.out());
      assertEquals(stored, farm.blobs.size());
      assertEquals(
          farm.executed.get(0).getInputs(), farm.executed.get(1).getInputs(), "the same trees");
    }
  }

  @Test
  void failureEndsWithTheLogOnDiskAndCode1() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.logs.put("default/operations/1", "first\n\u001b[2Jerror: no such header\n");
      farm.then(
          accepted(), finished(RequestState.REQUEST_FAILED, failed("the build exited with 1")));

      Ran ran = run(farm, "build", plan(directory).toString());

      assertEquals(1, ran.exitCode());
      assertTrue(ran.out().contains("[x] abcdefg zlib@1.3 failed: the build exited"), ran.out());
      assertTrue(ran.out().contains("  ?[2Jerror: no such header\n"), ran.out());
      String last = ran.out().strip().lines().reduce((a, b) -> b).orElseThrow().strip();
      assertTrue(
          ran.out().contains("==> Error: The following packages failed to install:\n    " + last),
          ran.out());
      assertTrue(last.startsWith("zlib@1.3/abcdefg: "), last);
      Path log = Path.of(last.substring(last.indexOf(": ") + 2));
      assertTrue(Files.readString(log).contains("no such header"));
    }
  }

  @Test
  void resultIsWrittenWithTheMirrorForWhoInstallsFromIt() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.then(
          accepted(), finished(RequestState.REQUEST_FAILED, failed("the build exited with 1")));
      Path result = directory.resolve("result.json");

      Ran ran =
          run(
              farm,
              "build",
              "--label",
              "pool=gpu",
              "--result",
              result.toString(),
              plan(directory).toString());

      assertEquals(1, ran.exitCode());
      String written = Files.readString(result);
      assertTrue(written.contains("\"state\":\"failed\""), written);
      assertTrue(written.contains("\"url\":\"http://127.0.0.1:1/mirror/default\""), written);
      assertEquals("gpu", farm.executed.getFirst().getOptions().getLabelsMap().get("pool"));
    }
  }

  @Test
  void aFarmThatGoesAwayDuringTheUploadIsWaitedFor() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.uploadsToBreak.set(1);
      farm.then(
          accepted(), finished(RequestState.REQUEST_SUCCEEDED, task(TaskState.TASK_SUCCEEDED, "")));

      Ran ran = run(farm, "build", plan(directory).toString());

      assertEquals(0, ran.exitCode(), ran.err());
      assertTrue(ran.out().contains("the farm went away during the upload"), ran.out());
    }
  }

  @Test
  void brokenConnectionJoinsTheSameRequestAgainAndCancelsNothing() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.thenBreaks(Status.UNAVAILABLE, accepted(task(TaskState.TASK_LEASED, "build")))
          .thenBreaks(Status.UNAVAILABLE)
          .then(
              accepted(task(TaskState.TASK_LEASED, "build")),
              finished(RequestState.REQUEST_SUCCEEDED, task(TaskState.TASK_SUCCEEDED, "")));

      Ran ran = run(farm, "build", plan(directory).toString());

      assertEquals(0, ran.exitCode(), ran.err());
      assertEquals(1, farm.executed.size());
      assertEquals(2, farm.joined.size());
      assertEquals(farm.executed.getFirst().getRequestId(), farm.joined.getFirst().getRequestId());
      assertTrue(farm.cancelled.isEmpty());
      assertEquals(1, ran.out().split("==> Request r1", -1).length - 1, ran.out());
    }
  }

  @Test
  void detachEndsOnceTheFarmHasAccepted() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.then(accepted(task(TaskState.TASK_READY, "")));

      Ran ran = run(farm, "build", "--detach", plan(directory).toString());

      assertEquals(0, ran.exitCode(), ran.err());
      assertTrue(
          ran.out().contains("thresher wait " + farm.executed.getFirst().getRequestId()),
          ran.out());
    }
  }

  @Test
  void jsonIsOneObjectALine() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.then(
          accepted(),
          update(task(TaskState.TASK_LEASED, "build")),
          finished(RequestState.REQUEST_FAILED, failed("no")));

      Ran ran = run(farm, "build", "--json", plan(directory).toString());

      assertEquals(1, ran.exitCode(), ran.err());
      assertTrue(
          ran.out().lines().allMatch(l -> l.startsWith("{\"") && l.endsWith("}")), ran.out());
      assertTrue(ran.out().contains("\"event\":\"task\",\"hash\":\"" + HASH + "\""), ran.out());
    }
  }

  @Test
  void jsonSaysWhatABuildTook() throws Exception {
    Usage usage =
        Usage.newBuilder()
            .setWall(Duration.newBuilder().setSeconds(3))
            .setUserCpu(Duration.newBuilder().setSeconds(1).setNanos(500_000_000))
            .setPeakMemoryBytes(4096)
            .build();
    try (ScriptedFarm farm = new ScriptedFarm()) {
      Task built = task(TaskState.TASK_SUCCEEDED, "").toBuilder().setUsage(usage).build();
      farm.then(accepted(), finished(RequestState.REQUEST_SUCCEEDED, built));

      Ran ran = run(farm, "build", "--json", plan(directory).toString());

      assertEquals(0, ran.exitCode(), ran.err());
      String told =
          "\"usage\":{\"wall_seconds\":3.0,\"user_cpu_seconds\":1.5,"
              + "\"system_cpu_seconds\":0.0,\"peak_memory_bytes\":4096}";
      assertTrue(ran.out().contains(told), ran.out());
    }
  }

  @Test
  void verboseShowsTheLogOfARunningBuild() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.logs.put("default/operations/1", "checking for cc... yes\n");
      farm.then(
          accepted(task(TaskState.TASK_LEASED, "configure")),
          finished(RequestState.REQUEST_SUCCEEDED, task(TaskState.TASK_SUCCEEDED, "")));

      Ran ran = run(farm, "build", "-v", plan(directory).toString());

      assertEquals(0, ran.exitCode(), ran.err());
      assertTrue(ran.out().contains("zlib: checking for cc... yes\n"), ran.out());
    }
  }

  @Test
  void refusalOfTheFarmIsOneSentenceAndCode3() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.thenBreaks(Status.INVALID_ARGUMENT.withDescription("node zlib\u001b is not its hash"));

      Ran ran = run(farm, "build", plan(directory).toString());

      assertEquals(3, ran.exitCode());
      assertEquals("thresher: error: node zlib? is not its hash\n", ran.err());
      assertFalse(ran.out().contains("trying again"));
    }
  }

  @Test
  void farmThatIsAwayIsCode4() throws Exception {
    ScriptedFarm farm = new ScriptedFarm();
    String address = farm.address();
    farm.close();

    Ran ran = run("build", "--server", address, plan(directory).toString());

    assertEquals(4, ran.exitCode());
    assertTrue(ran.err().startsWith("thresher: error: "), ran.err());
    assertEquals(1, ran.err().lines().count(), ran.err());
  }

  @Test
  void missingPlanIsCode2() {
    Ran ran = run("build", directory.resolve("none.json").toString());

    assertEquals(2, ran.exitCode());
    assertTrue(ran.err().startsWith("thresher: error: there is no file "), ran.err());
  }
}
