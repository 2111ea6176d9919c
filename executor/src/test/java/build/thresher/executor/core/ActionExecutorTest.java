package build.thresher.executor.core;

import static build.thresher.executor.core.FarmOnLoopback.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.OutputFile;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.testing.Attacks;
import build.thresher.executor.testing.DirectoryBlobStore;
import build.thresher.executor.testing.RunningProcesses;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Fence;
import build.thresher.v1.Lease;
import build.thresher.v1.LogStream;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole executor with real actions in real sandboxes against a scripted scheduler. */
final class ActionExecutorTest {
  private static final Scope SCOPE = Scope.farm("default");
  private static final String NAME = "action-" + ProcessHandle.current().pid();

  private final Path temporary;
  private FarmOnLoopback loopback;
  private ScriptedFarm farm;
  private DirectoryBlobStore store;
  private int executions;

  ActionExecutorTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void start() throws Exception {
    loopback = FarmOnLoopback.startOrSkip(temporary);
    farm = loopback.farm();
    store = loopback.store();
    loopback.executor(NAME);
  }

  @AfterEach
  void stop() throws Exception {
    if (loopback != null) {
      loopback.close();
    }
  }

  @Test
  void anActionTurnsAFileIntoAFile() throws Exception {
    Digest inputs = upload(LocalTree.builder().addBytes("in/word", bytes("hello"), false));
    ActionResult result =
        run(
            shell("tr a-z A-Z < in/word > out/deep/WORD; echo done; echo careful >&2")
                .addOutputPaths("out/deep/WORD"),
            inputs);
    assertEquals(0, result.getExitCode(), result::toString);
    OutputFile file = result.getOutputFiles(0);
    assertEquals("out/deep/WORD", file.getPath());
    assertEquals("HELLO", content(file.getDigest()));
    assertFalse(file.getIsExecutable());
    assertEquals("done\n", result.getStdoutRaw().toStringUtf8());
    assertEquals("careful\n", result.getStderrRaw().toStringUtf8());
    assertTrue(result.getExecutionMetadata().hasWorkerCompletedTimestamp());
  }

  @Test
  void anExitCodeIsAResult() throws Exception {
    assertEquals(7, run(shell("exit 7"), Digest.EMPTY).getExitCode());
  }

  @Test
  void aProgramThatIsNotThereGives127() throws Exception {
    ActionResult result = run(Command.newBuilder().addArguments("no-such-program"), Digest.EMPTY);
    assertEquals(127, result.getExitCode(), result::toString);
  }

  @Test
  void aCommandOfManyWordsRunsAndOneOfTooManyIsRefused() throws Exception {
    Command.Builder many = Command.newBuilder().addArguments("/bin/true");
    many.addAllArguments(Collections.nCopies(7_999, "word"));
    assertEquals(0, run(many, Digest.EMPTY).getExitCode());
    many.addArguments("word");
    Failure failure = completion(offer(many, Digest.EMPTY)).getFailure();
    assertEquals(FailureClass.FAILURE_INPUT, failure.getFailureClass());
    assertTrue(failure.getMessage().contains("8001 arguments"), failure.getMessage());
  }

  @Test
  void bothOutputsAreStreamedWhileTheActionRuns() throws Exception {
    Fence fence = offer(shell("echo early; echo alas >&2; sleep 3219"), Digest.EMPTY, "");
    await("streams", () -> farm.log(fence, LogStream.LOG_STREAM_STDOUT).equals("early\n"));
    await("streams", () -> farm.log(fence, LogStream.LOG_STREAM_STDERR).equals("alas\n"));
    farm.kill(fence);
    await("nothing is left", () -> !RunningProcesses.sleeps("3219"));
    Path actions = temporary.resolve("work/executors/" + NAME + "/actions");
    await("nothing is left in its directory", () -> Attacks.leftovers(actions).isEmpty());
    assertEquals(0, farm.completed().size());
  }

  @Test
  void missingInputsAreNamed() throws Exception {
    LocalTree.Builder tree =
        LocalTree.builder()
            .addBytes("a", bytes("one"), false)
            .addBytes("b/c", bytes("two"), false)
            .addBytes("b/d", bytes("three"), false);
    Digest inputs = upload(tree);
    store.delete(SCOPE, Digest.of(bytes("one")));
    Fence fence = offer(shell("true"), inputs, "");
    Failure failure = completion(fence).getFailure();
    assertEquals(FailureClass.FAILURE_INPUT, failure.getFailureClass());
    assertEquals(
        List.of(WireDigests.toWire(Digest.of(bytes("one")))), failure.getMissingBlobsList());
  }

  @Test
  void anOutputThatTheStoreLostIsUploadedAgain() throws Exception {
    farm.failCompletes(Status.FAILED_PRECONDITION);
    farm.beforeCompleteFails(
        request -> {
          try {
            store.delete(SCOPE, Digest.of(bytes("precious")));
          } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
          }
        });
    run(shell("printf precious > out").addOutputPaths("out"), Digest.EMPTY);
    assertTrue(store.contains(SCOPE, Digest.of(bytes("precious"))));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private Digest upload(LocalTree.Builder builder) throws Exception {
    LocalTree tree = builder.build();
    new TreeUploader(store, SCOPE).upload(tree);
    return tree.root();
  }

  private String content(build.bazel.remote.execution.v2.Digest digest) throws Exception {
    return new String(store.readAll(SCOPE, WireDigests.fromWire(digest)), StandardCharsets.UTF_8);
  }

  private static Command.Builder shell(String script) {
    return Command.newBuilder()
        .addAllArguments(List.of("/bin/sh", "-c", RunningProcesses.unique(script)));
  }

  private ActionResult run(Command.Builder command, Digest inputs, String... properties)
      throws Exception {
    CompleteRequest completed = completion(offer(command, inputs, properties));
    assertTrue(completed.hasActionResult(), completed::toString);
    return completed.getActionResult();
  }

  private Fence offer(Command.Builder command, Digest inputs, String... properties)
      throws Exception {
    Lease lease =
        TestLeases.of(
            store,
            command,
            inputs,
            Stream.of(properties).filter(p -> !p.isEmpty()).toList(),
            ++executions);
    farm.offer(lease);
    return lease.getFence();
  }

  private CompleteRequest completion(Fence fence) throws Exception {
    await(
        "a completion", () -> farm.completed().stream().anyMatch(c -> c.getFence().equals(fence)));
    return farm.completed().stream()
        .filter(c -> c.getFence().equals(fence))
        .findFirst()
        .orElseThrow();
  }
}
