package build.thresher.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.client.Farmed.Ran;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
          "{\"added_bytes\":0,\"fingerprint\":\"ABCD\",\"logical_bytes\":0,\"name\":\"default\","
              + "\"specs\":0,\"stored_bytes\":0,"
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
  void whatIsNoHashIsRefusedBeforeTheFarmIsAsked() {
    Ran ran = Farmed.run("logs", "--server", "127.0.0.1:1", "/abc!");

    assertEquals(2, ran.exitCode());
    assertTrue(ran.err().contains("32 characters"), ran.err());
  }

  @Test
  void logsOfTheBeginningOfAHashFindTheNode() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      Task built = Farmed.task(TaskState.TASK_SUCCEEDED, "");
      farm.requests.add(Farmed.request(RequestState.REQUEST_SUCCEEDED, built));
      farm.logs.put("default/operations/1", "hello\n");
      farm.then(Farmed.finished(RequestState.REQUEST_SUCCEEDED, built));

      assertEquals("hello\n", Farmed.run(farm, "logs", "/abcdefg").out());
      assertEquals(2, Farmed.run(farm, "logs", "/bbb").exitCode());
    }
  }

  @Test
  void logsOfARequestShowEveryBuild() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.requests.add(
          Farmed.request(
              RequestState.REQUEST_SUCCEEDED, Farmed.task(TaskState.TASK_SUCCEEDED, "")));
      farm.logs.put("default/operations/1", "one\ntwo\nthree");

      assertEquals(
          "==> zlib@1.3/abcdefg default/operations/1\ntwo\nthree",
          Farmed.run(farm, "logs", "--tail", "2", "r1").out());
    }
  }

  @Test
  void cancelTakesTheBeginningOfAnId() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      Request active = Farmed.request(RequestState.REQUEST_ACTIVE);
      farm.requests.add(active.toBuilder().setRequestId("3fb1-a").build());
      farm.requests.add(active.toBuilder().setRequestId("3fb1-b").build());

      Ran several = Farmed.run(farm, "cancel", "3fb1");
      assertEquals(2, several.exitCode());
      assertTrue(several.err().contains("2 requests begin with `3fb1`"), several.err());
      assertEquals(0, Farmed.run(farm, "cancel", "3fb1-b").exitCode());
      assertEquals(List.of("3fb1-b"), farm.cancelled);
    }
  }

  @Test
  void cancelOfANodeCancelsEveryActiveRequestThatHoldsIt() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      Request active =
          Farmed.request(RequestState.REQUEST_ACTIVE, Farmed.task(TaskState.TASK_LEASED, "build"));
      farm.requests.add(active.toBuilder().setRequestId("a").build());
      farm.requests.add(active.toBuilder().setRequestId("b").clearTasks().build());
      farm.requests.add(
          active.toBuilder().setRequestId("c").setState(RequestState.REQUEST_SUCCEEDED).build());

      assertEquals(0, Farmed.run(farm, "cancel", "/abcdefg").exitCode());
      assertEquals(List.of("a"), farm.cancelled);
      assertEquals(2, Farmed.run(farm, "cancel", "/zzz").exitCode());
    }
  }

  @Test
  void cancelOfWhatHasEndedSaysHowItEnded() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      farm.requests.add(Farmed.request(RequestState.REQUEST_FAILED));

      Ran ran = Farmed.run(farm, "cancel", "r1");

      assertEquals("==> r1 has ended already: failed\n", ran.out());
      assertTrue(farm.cancelled.isEmpty());
    }
  }

  @Test
  void statusAsJsonIsOneObject() throws Exception {
    try (ScriptedFarm farm = new ScriptedFarm()) {
      Ran ran = Farmed.run(farm, "status", "--json");

      assertEquals(0, ran.exitCode(), ran.err());
      assertTrue(ran.out().startsWith("{\"version\":\"test\","), ran.out());
    }
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
      farm.requests.add(Farmed.request(RequestState.REQUEST_FAILED));
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

  @Test
  void helpOfEveryCommandNamesTheExitCodes() {
    for (String command : List.of("build", "wait", "status", "logs", "cancel", "mirror")) {
      String help = Farmed.help(command);
      assertTrue(help.contains("Exit codes:"), help);
      assertTrue(help.matches("(?s).*\\n  4 +The farm cannot be reached.*"), help);
    }
  }

  @Test
  void bashCompletesCommandsAndOptions() throws Exception {
    Path script = directory.resolve("completion.bash");
    Files.writeString(script, Farmed.run("completion", "bash").out());
    assertEquals("status", completed(script, "thresher", "stat"));
    assertEquals("--retry-failed", completed(script, "thresher", "build", "--retry"));
  }

  private static String completed(Path script, String... words) throws Exception {
    String ask =
        """
        compopt() { :; }; source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _complete_thresher; echo "${COMPREPLY[@]}"
        """
            .formatted(script, String.join(" ", words), words.length - 1);
    Process bash = new ProcessBuilder("bash", "-c", ask).redirectErrorStream(true).start();
    String answer = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, bash.waitFor(), answer);
    return answer.strip();
  }
}
