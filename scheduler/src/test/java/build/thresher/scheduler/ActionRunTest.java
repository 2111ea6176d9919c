package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.OutputDirectory;
import build.bazel.remote.execution.v2.OutputFile;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.ActionRequirements;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.core.TaskState;
import build.thresher.scheduler.core.WorkKind;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.ActionMeasurements;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Lease;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** An action from its request to its result, the executor's side over a real connection. */
@Timeout(180)
class ActionRunTest {
  @TempDir Path directory = Path.of("");

  private static Event.Submit submit(String id, Digest action, boolean skipCacheLookup) {
    TaskKey key = TaskKey.action("default", action);
    RequestHead head =
        new RequestHead(
            id,
            "default",
            "alice",
            WorkKind.ACTION,
            RequestHead.Options.NONE,
            ImmutableList.of(key.hash()),
            ImmutableList.of(),
            ImmutableList.of(),
            Instant.now());
    Definition task =
        new Definition(
            key,
            "cc",
            "",
            ImmutableList.of(),
            ActionRequirements.of(ImmutableList.of()),
            new ActionWork(
                action,
                Duration.ofMinutes(2),
                ImmutableList.of(),
                false,
                skipCacheLookup,
                Instant.now()));
    return new Event.Submit(head, ImmutableList.of(task), ImmutableSet.of(), ImmutableList.of());
  }

  private static CompleteRequest result(
      ScriptedExecutor executor, Lease lease, int exitCode, Digest output) {
    return executor
        .outcome(lease)
        .setActionResult(
            ActionResult.newBuilder()
                .setExitCode(exitCode)
                .addOutputFiles(
                    OutputFile.newBuilder().setPath("out").setDigest(Wire.digest(output))))
        .build();
  }

  private static final class Heard implements Requests.Follower {
    final List<TaskState> states = new ArrayList<>();
    RequestSnapshot last;

    Heard(RequestSnapshot before) {
      this.last = before;
    }

    @Override
    public void joined(RequestSnapshot request) {
      request.tasks().forEach(this::changed);
    }

    @Override
    public void changed(TaskSnapshot task) {
      states.add(task.state());
    }

    @Override
    public void idle() {}

    @Override
    public void finished(RequestSnapshot request) {
      last = request;
    }
  }

  @Test
  void aDirectoryWithoutATreeIsTakenWhenAllBelowItIsThere() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      farm.requests().submit(submit("r", farm.text("action"), false));
      Lease lease = executor.lease(1, 5).getFirst();
      Blob file = Blob.of("file".getBytes(StandardCharsets.UTF_8));
      Directory inner =
          Directory.newBuilder()
              .addFiles(FileNode.newBuilder().setName("f").setDigest(Wire.digest(file.digest())))
              .build();
      Blob below = Blob.of(inner.toByteArray());
      Directory outer =
          Directory.newBuilder()
              .addDirectories(
                  DirectoryNode.newBuilder().setName("d").setDigest(Wire.digest(below.digest())))
              .build();
      Blob root = Blob.of(outer.toByteArray());
      CompleteRequest complete =
          executor
              .outcome(lease)
              .setActionResult(
                  ActionResult.newBuilder()
                      .addOutputDirectories(
                          OutputDirectory.newBuilder()
                              .setPath(".")
                              .setRootDirectoryDigest(Wire.digest(root.digest()))))
              .build();
      for (Blob absent : List.of(root, below, file)) {
        StatusRuntimeException refused =
            assertThrows(StatusRuntimeException.class, () -> executor.stub.complete(complete));
        assertEquals(Status.Code.FAILED_PRECONDITION, refused.getStatus().getCode());
        farm.blobs.putAll(Scope.farm("default"), List.of(absent));
      }
      executor.stub.complete(complete);
    }
  }

  @Test
  void anActionIsLeasedRunAndItsResultIsFoundAndRemembered() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Digest action = farm.text("action");
      Requests requests = farm.requests();
      assertEquals(new Reply.Accepted("r"), requests.submit(submit("r", action, false)));
      assertEquals(new Reply.Accepted("s"), requests.submit(submit("s", action, false)));
      Lease lease = executor.lease(2, 5).getFirst();
      assertEquals(Wire.digest(action), lease.getActionRun().getAction());
      assertEquals(120, lease.getActionRun().getTimeout().getSeconds());

      Blob output = Blob.of("output".getBytes(StandardCharsets.UTF_8));
      CompleteRequest complete = result(executor, lease, 0, output.digest());
      StatusRuntimeException refused =
          assertThrows(StatusRuntimeException.class, () -> executor.stub.complete(complete));
      assertEquals(Status.Code.FAILED_PRECONDITION, refused.getStatus().getCode());
      farm.blobs.putAll(Scope.farm("default"), List.of(output));
      executor.stub.complete(complete);

      Heard heard = new Heard(requests.find("r").orElseThrow());
      assertTrue(requests.follow("r", Duration.ofSeconds(10), heard));
      assertEquals(RequestState.SUCCEEDED, heard.last.state());
      ActionOutputs outputs =
          assertInstanceOf(ActionOutputs.class, heard.last.tasks().getFirst().ending().outputs());
      ActionResult kept = ActionResult.parseFrom(outputs.actionResult());
      assertEquals(complete.getActionResult(), kept.toBuilder().clearExecutionMetadata().build());
      ActionMeasurements measured =
          kept.getExecutionMetadata().getAuxiliaryMetadata(0).unpack(ActionMeasurements.class);
      assertEquals(1, measured.getAttempt());
      assertTrue(farm.actionCache.find(Scope.farm("default"), action).isPresent());
      assertEquals(RequestState.SUCCEEDED, requests.find("s").orElseThrow().state());

      // Whoever looked into the cache just before it was there is not made to wait for a second
      // run.
      requests.submit(submit("t", action, false));
      RequestSnapshot third = requests.find("t").orElseThrow();
      assertEquals(RequestState.SUCCEEDED, third.state());
      assertEquals(ImmutableList.of(action.toString()), third.head().cached());
      requests.submit(submit("u", action, true));
      assertEquals(1, executor.lease(1, 5).size(), "who skips the lookup gets a run");
    }
  }

  /**
   * The core takes events by the batch, so that some of these requests are in one with the end of
   * the action that they ask for.
   */
  @Test
  void whoAsksInTheMomentOfTheEndIsNotMadeToWaitForASecondRunEither() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e");
        ExecutorService askers = Executors.newFixedThreadPool(8)) {
      executor.register(1);
      Requests requests = farm.requests();
      Digest output = farm.text("output");
      for (int i = 0; i < 10; i++) {
        Digest action = farm.text("action " + i);
        String id = "r" + i;
        requests.submit(submit(id, action, false));
        Lease lease = executor.lease(1, 5).getFirst();
        AtomicBoolean ended = new AtomicBoolean();
        List<Future<?>> asking = new ArrayList<>();
        for (int asker = 0; asker < 8; asker++) {
          String own = id + " " + asker + " ";
          asking.add(
              askers.submit(
                  () -> {
                    int asked = 0;
                    while (!ended.get()) {
                      requests.submit(submit(own + asked++, action, false));
                    }
                    return asked;
                  }));
        }
        executor.stub.complete(result(executor, lease, 0, output));
        ended.set(true);
        for (Future<?> one : asking) {
          one.get();
        }
        assertEquals(List.of(), executor.lease(1, 0), "run again: " + action);
      }
    }
  }

  @Test
  void anExitCodeThatIsNotZeroIsAResultThatIsNotRemembered() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Digest action = farm.text("action");
      farm.requests().submit(submit("r", action, false));
      Lease lease = executor.lease(1, 5).getFirst();
      executor.stub.complete(result(executor, lease, 1, farm.text("output")));
      RequestSnapshot ended = farm.requests().find("r").orElseThrow();
      assertEquals(RequestState.SUCCEEDED, ended.state());
      assertFalse(farm.actionCache.find(Scope.farm("default"), action).isPresent());
      farm.requests().submit(submit("s", action, false));
      assertEquals(1, executor.lease(1, 5).size());
    }
  }

  @Test
  void anActionCannotEndAsABuildNorABuildAsAnAction() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      farm.requests().submit(submit("r", farm.text("action"), false));
      Lease lease = executor.lease(1, 5).getFirst();
      CompleteRequest wrong = executor.success(lease);
      StatusRuntimeException refused =
          assertThrows(StatusRuntimeException.class, () -> executor.stub.complete(wrong));
      assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
    }
  }

  @Test
  void anAcceptedActionOutlivesARestart() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor before = new ScriptedExecutor(farm, "e")) {
      before.register(1);
      Digest action = farm.text("action");
      farm.requests().submit(submit("r", action, false));
      Lease lease = before.lease(1, 5).getFirst();
      farm.stop();
      farm.start();
      try (ScriptedExecutor after = new ScriptedExecutor(farm, "e", before.incarnation)) {
        assertEquals(0, after.register(1, lease).getRefusedCount());
        after.stub.complete(result(after, lease, 0, farm.text("output")));
        Heard heard = new Heard(farm.requests().find("r").orElseThrow());
        farm.requests().follow("r", Duration.ofSeconds(10), heard);
        assertEquals(RequestState.SUCCEEDED, heard.last.state());
      }
    }
  }
}
