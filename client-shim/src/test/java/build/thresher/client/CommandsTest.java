package build.thresher.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.client.Farmed.Ran;
import build.thresher.v1.RequestState;
import build.thresher.v1.TaskState;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CommandsTest {
  @TempDir private Path directory = Path.of("");

  @Test
  void mirrorAsJsonNamesUrlAndKey() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      Ran ran = Farmed.run(farm, "mirror", "--json");

      assertEquals(0, ran.exitCode(), ran.err());
      assertEquals(
          "{\"fingerprint\":\"ABCD\",\"name\":\"default\",\"specs\":0,"
              + "\"url\":\"http://127.0.0.1:1/mirror/default\"}\n",
          ran.out());
    }
  }

  @Test
  void mirrorOfAnUnknownInstanceIsRefused() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      assertEquals(3, Farmed.run(farm, "mirror", "--instance", "other").exitCode());
    }
  }

  @Test
  void logsGoOnFromAnOffset() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.logs.put("default/operations/1", "0123456789");

      assertEquals(
          "3456789", Farmed.run(farm, "logs", "--offset", "3", "default/operations/1").out());
    }
  }

  @Test
  void logsOfANodeFindItsExecution() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.logs.put("default/operations/1", "hello\n");
      farm.then(
          Farmed.finished(
              RequestState.REQUEST_SUCCEEDED, Farmed.task(TaskState.TASK_SUCCEEDED, "")));

      assertEquals("hello\n", Farmed.run(farm, "logs", "/" + Farmed.HASH).out());
    }
  }

  @Test
  void shortHashIsRefusedBeforeTheFarmIsAsked() {
    Ran ran = Farmed.run("logs", "--server", "127.0.0.1:1", "/abc");

    assertEquals(2, ran.exitCode());
    assertTrue(ran.err().contains("32 characters"), ran.err());
  }

  @Test
  void addressWithoutPortIsCode2() {
    assertEquals(2, Farmed.run("status", "--server", "farm.example.org").exitCode());
  }

  @Test
  void tokenThatNoHeaderCarriesIsNotShown() throws Exception {
    Path token = Files.writeString(directory.resolve("token"), "se cret\n");

    Ran ran = Farmed.run("status", "--server", "127.0.0.1:1", "--token-file", token.toString());

    assertEquals(2, ran.exitCode());
    assertTrue(!ran.err().contains("cret"), ran.err());
  }

  @Test
  void waitJoinsAndEndsAsTheRequestDid() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.then(Farmed.finished(RequestState.REQUEST_FAILED, Farmed.failed("no")));

      assertEquals(1, Farmed.run(farm, "wait", "r1").exitCode());
      assertEquals("r1", farm.joined.getFirst().getRequestId());
    }
  }

  @Test
  void completionKnowsEveryCommand() {
    Ran ran = Farmed.run("completion", "bash");

    assertEquals(0, ran.exitCode(), ran.err());
    assertTrue(ran.out().contains("requests"), ran.out());
  }
}
