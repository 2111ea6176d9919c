package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FailureClass;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import com.google.protobuf.Duration;
import io.grpc.ManagedChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Many clients at once, builds that misbehave, and builds that no executor can run. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(SharedWorld.class)
class CrowdTest {
  private static final int CLIENTS = 50;

  private final Solved solved;
  private final FarmUnderTest farm;
  private final ManagedChannel channel;

  CrowdTest(SpackWorld world, @TempDir Path directory) throws Exception {
    solved = SharedWorld.solved(world);
    farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            "executor.slots=2",
            "executor.build_memory=512MiB",
            "executor.build_disk=256MiB",
            "executor.build_processes=200",
            "scheduler.executor_grace=3s");
    channel = farm.connect();
  }

  @AfterAll
  void stop() throws Exception {
    channel.shutdownNow();
    farm.close();
  }

  @Test
  void fiftyClientsThatAskForOneDagAtOnceGetOneBuildOfEachNode() throws Exception {
    ExecuteRequest request = Submission.upload(channel, solved.root("fl-suite").plan()).build();
    CountDownLatch start = new CountDownLatch(1);
    List<Future<Request>> answers = new ArrayList<>();
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < CLIENTS; i++) {
        ExecuteRequest own = request.toBuilder().setClient("client-" + i).build();
        Callable<Request> ask =
            () -> {
              ManagedChannel connection = farm.connect();
              try {
                start.await();
                return last(FarmGrpc.newBlockingStub(connection).execute(own));
              } finally {
                connection.shutdownNow();
              }
            };
        answers.add(clients.submit(ask));
      }
      start.countDown();
    }
    Set<String> executions = new HashSet<>();
    Set<String> requests = new HashSet<>();
    List<Task> first = answers.getFirst().get().getTasksList();
    for (Future<Request> answer : answers) {
      Request ended = answer.get();
      assertEquals(RequestState.REQUEST_SUCCEEDED, ended.getState(), () -> logs());
      requests.add(ended.getRequestId());
      for (Task task : ended.getTasksList()) {
        assertEquals(1, task.getAttempt(), () -> task.getName() + logs());
        executions.add(task.getExecution());
        assertTrue(first.contains(task), () -> task + " is not what the first client got");
      }
    }
    assertEquals(CLIENTS, requests.size());
    assertEquals(first.size(), executions.size(), "every node has one execution");
    for (Task task : first) {
      long built =
          logs()
              .lines()
              .filter(l -> l.contains(task.getHash() + " ") && l.contains(": built"))
              .count();
      assertEquals(1, built, () -> task.getName() + logs());
    }
  }

  @Test
  void aBuildThatHangsIsKilledWhenItsTimeIsOver() throws Exception {
    Task task = misbehave("hang", 5);
    assertEquals(FailureClass.FAILURE_TIMEOUT, task.getFailure().getFailureClass(), task::toString);
    nothingIsLeftOf("sleep 86399");
  }

  @Test
  void aBuildThatForksWithoutEndIsHeldBackAndKilled() throws Exception {
    Task task = misbehave("fork", 5);
    assertEquals(TaskState.TASK_FAILED, task.getState());
    nothingIsLeftOf("deed() { deed | deed & }");
    farm.thresher("status").succeeded();
  }

  @Test
  void aBuildThatTakesAllMemoryIsKilledAndCalledOutOfMemory() throws Exception {
    assumeTrue(logs().contains("memory"), "SKIPPED: this machine's control groups limit no memory");
    Task task = misbehave("eat", 300);
    assertEquals(
        FailureClass.FAILURE_OUT_OF_MEMORY, task.getFailure().getFailureClass(), task::toString);
  }

  @Test
  void aBuildThatFillsTheDiskIsKilledAndItsFilesAreRemoved() throws Exception {
    Task task = misbehave("fill", 300);
    assertEquals(TaskState.TASK_FAILED, task.getState());
    assertTrue(task.getFailure().getMessage().contains("disk"), task::toString);
    nothingIsLeftOf("of=filler");
    Processes.until(
        "its files are gone",
        () -> {
          Path executors = farm.directory().resolve("executor-local/executors");
          try (var below = Files.find(executors, 3, (path, is) -> path.endsWith("builds"))) {
            return below.allMatch(builds -> builds.toFile().list().length == 0);
          }
        });
  }

  @Test
  void aNodeWhoseExternalNoExecutorHasIsRefusedWithTheReason() throws Exception {
    Solved.Root strange = solved.rootWithExternalAt("fl-slow", "nap", "0.02", "/opt/nowhere");
    Processes.Ended build = farm.thresher("build", strange.plan().toString());
    assertEquals(1, build.exit(), build.output());
    assertTrue(build.output().contains("no executor"), build.output());
    assertTrue(build.output().contains("/opt/nowhere"), build.output());
  }

  private Task misbehave(String deed, int seconds) throws Exception {
    Solved.Root rogue =
        deed.equals("hang") ? solved.root("fl-rogue") : solved.root("fl-rogue", "deed", deed);
    ExecuteRequest.Builder request = Submission.upload(channel, rogue.plan());
    request.getOptionsBuilder().setTimeout(Duration.newBuilder().setSeconds(seconds));
    Request ended = last(FarmGrpc.newBlockingStub(channel).execute(request.build()));
    assertEquals(RequestState.REQUEST_FAILED, ended.getState(), () -> logs());
    return ended.getTasksList().stream()
        .filter(task -> task.getHash().equals(rogue.hash()))
        .findFirst()
        .orElseThrow();
  }

  private static Request last(Iterator<ExecuteUpdate> updates) {
    while (updates.hasNext()) {
      ExecuteUpdate update = updates.next();
      if (update.hasFinished()) {
        return update.getFinished();
      }
    }
    throw new AssertionError("the stream ended without an answer");
  }

  private static void nothingIsLeftOf(String commandLine) throws Exception {
    Processes.until("no process is left", () -> Processes.withCommandLine(commandLine).isEmpty());
  }

  private String logs() {
    try {
      return farm.logs();
    } catch (java.io.IOException e) {
      return "(no logs: " + e + ")";
    }
  }
}
