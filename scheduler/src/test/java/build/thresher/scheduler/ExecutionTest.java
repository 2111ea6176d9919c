package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.ExecuteOperationMetadata;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.bazel.remote.execution.v2.ExecutionPolicy;
import build.bazel.remote.execution.v2.ExecutionStage;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.Platform;
import build.bazel.remote.execution.v2.WaitExecutionRequest;
import build.thresher.cas.api.LiveStreams;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.AppendLogRequest;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Lease;
import build.thresher.v1.LogStream;
import com.google.longrunning.CancelOperationRequest;
import com.google.longrunning.GetOperationRequest;
import com.google.longrunning.ListOperationsRequest;
import com.google.longrunning.Operation;
import com.google.longrunning.OperationsGrpc;
import com.google.longrunning.WaitOperationRequest;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.Code;
import com.google.rpc.PreconditionFailure;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Execution and Operations over real connections, with an executor that does as it is told. */
@Timeout(60)
class ExecutionTest {
  @TempDir Path directory = Path.of("");

  private static Digest put(TestFarm farm, Message message) {
    return Wire.digest(farm.blobs.add(message.toByteArray()));
  }

  private static Command command(String... outputs) {
    return Command.newBuilder()
        .addArguments("/usr/bin/cc")
        .addAllOutputPaths(List.of(outputs))
        .build();
  }

  private static Digest action(TestFarm farm, Command command) {
    return action(farm, command, Action.getDefaultInstance());
  }

  private static Digest action(TestFarm farm, Command command, Action rest) {
    Digest root = put(farm, Directory.getDefaultInstance());
    return put(
        farm,
        rest.toBuilder()
            .setCommandDigest(put(farm, command))
            .setInputRootDigest(rest.hasInputRootDigest() ? rest.getInputRootDigest() : root)
            .build());
  }

  private static ExecutionGrpc.ExecutionBlockingStub execution(TestFarm farm) {
    return ExecutionGrpc.newBlockingStub(farm.connect()).withDeadlineAfter(50, TimeUnit.SECONDS);
  }

  private static OperationsGrpc.OperationsBlockingStub operations(TestFarm farm) {
    return OperationsGrpc.newBlockingStub(farm.connect()).withDeadlineAfter(50, TimeUnit.SECONDS);
  }

  private static ExecuteRequest request(Digest action) {
    return ExecuteRequest.newBuilder().setActionDigest(action).build();
  }

  private static CompleteRequest result(ScriptedExecutor executor, Lease lease, int exitCode) {
    return executor
        .outcome(lease)
        .setActionResult(ActionResult.newBuilder().setExitCode(exitCode))
        .build();
  }

  private static ExecuteResponse last(Iterator<Operation> operations)
      throws InvalidProtocolBufferException {
    Operation last = operations.next();
    while (operations.hasNext()) {
      last = operations.next();
    }
    assertTrue(last.getDone());
    assertFalse(last.hasError());
    return last.getResponse().unpack(ExecuteResponse.class);
  }

  private static ExecutionStage.Value stage(Operation operation)
      throws InvalidProtocolBufferException {
    return operation.getMetadata().unpack(ExecuteOperationMetadata.class).getStage();
  }

  @Test
  void anActionIsQueuedExecutedAndCompletedAndThenServedFromTheCache() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Digest action = action(farm, command("out"));
      Iterator<Operation> operations = execution(farm).execute(request(action));
      Operation first = operations.next();
      assertTrue(first.getName().startsWith("default/operations/"), first.getName());
      assertEquals(ExecutionStage.Value.QUEUED, stage(first));

      Lease lease = executor.lease(1, 5).getFirst();
      Operation second = operations.next();
      assertEquals(ExecutionStage.Value.EXECUTING, stage(second));
      ExecuteOperationMetadata metadata =
          second.getMetadata().unpack(ExecuteOperationMetadata.class);
      assertTrue(metadata.getStdoutStreamName().endsWith("/streams/stdout"));
      assertEquals("e", metadata.getPartialExecutionMetadata().getWorker());

      executor.stub.complete(
          executor
              .outcome(lease)
              .setActionResult(
                  ActionResult.newBuilder()
                      .addOutputFiles(
                          OutputFile.newBuilder()
                              .setPath("out")
                              .setDigest(Wire.digest(farm.text("content")))))
              .build());
      ExecuteResponse response = last(operations);
      assertEquals(0, response.getStatus().getCode());
      assertFalse(response.getCachedResult());

      ExecuteResponse again =
          last(
              execution(farm)
                  .execute(request(action).toBuilder().addInlineOutputFiles("out").build()));
      assertTrue(again.getCachedResult());
      assertEquals("content", again.getResult().getOutputFiles(0).getContents().toStringUtf8());
    }
  }

  @Test
  void manyWhoAskAtOnceShareOneRunAndEachHasAnOperationOfItsOwn() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(50);
      Digest action = action(farm, command());
      List<Iterator<Operation>> all = new ArrayList<>();
      List<String> names = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        Iterator<Operation> operations = execution(farm).execute(request(action));
        names.add(operations.next().getName());
        all.add(operations);
      }
      assertEquals(20, names.stream().distinct().count());
      List<Lease> leases = executor.lease(50, 5);
      assertEquals(1, leases.size());
      operations(farm)
          .cancelOperation(CancelOperationRequest.newBuilder().setName(names.get(0)).build());
      executor.stub.complete(result(executor, leases.getFirst(), 3));
      assertEquals(Code.CANCELLED_VALUE, last(all.get(0)).getStatus().getCode());
      for (Iterator<Operation> operations : all.subList(1, 20)) {
        assertEquals(3, last(operations).getResult().getExitCode());
      }
    }
  }

  @Test
  void anActionThatMustNotBeCachedRunsForEachWhoAsks() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(2);
      Digest action = action(farm, command(), Action.newBuilder().setDoNotCache(true).build());
      Iterator<Operation> first = execution(farm).execute(request(action));
      Iterator<Operation> second = execution(farm).execute(request(action));
      first.next();
      second.next();
      List<Lease> leases = executor.lease(2, 5);
      assertEquals(2, leases.size());
      for (Lease lease : leases) {
        executor.stub.complete(result(executor, lease, 0));
      }
      assertFalse(last(first).getCachedResult());
      assertFalse(last(second).getCachedResult());
      Iterator<Operation> third = execution(farm).execute(request(action));
      assertEquals(ExecutionStage.Value.QUEUED, stage(third.next()));
    }
  }

  @Test
  void anOperationIsFoundAfterARestartAndWaitedFor() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor before = new ScriptedExecutor(farm, "e")) {
      before.register(1);
      Digest action = action(farm, command());
      String name = execution(farm).execute(request(action)).next().getName();
      Lease lease = before.lease(1, 5).getFirst();
      farm.stop();
      farm.start();
      Iterator<Operation> operations =
          execution(farm).waitExecution(WaitExecutionRequest.newBuilder().setName(name).build());
      assertEquals(name, operations.next().getName());
      try (ScriptedExecutor after = new ScriptedExecutor(farm, "e", before.incarnation)) {
        after.register(1, lease);
        after.stub.complete(result(after, lease, 0));
        assertEquals(0, last(operations).getStatus().getCode());
      }
      Operation done =
          operations(farm).getOperation(GetOperationRequest.newBuilder().setName(name).build());
      assertTrue(done.getDone());
      List<Operation> listed =
          operations(farm)
              .listOperations(ListOperationsRequest.newBuilder().setName("default").build())
              .getOperationsList();
      assertEquals(List.of(done), listed);
    }
  }

  @Test
  void anUnknownOperationIsNotFound() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      for (String name : List.of("", "default/operations/none", "none", "default/operations/")) {
        StatusRuntimeException refused =
            assertThrows(
                StatusRuntimeException.class,
                () ->
                    execution(farm)
                        .waitExecution(WaitExecutionRequest.newBuilder().setName(name).build())
                        .hasNext());
        assertEquals(Status.Code.NOT_FOUND, refused.getStatus().getCode(), name);
      }
    }
  }

  @Test
  void everyMissingInputIsNamedAsTheApiSays() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      Digest lost = Digest.newBuilder().setHash("ab".repeat(32)).setSizeBytes(5).build();
      Digest gone = Digest.newBuilder().setHash("cd".repeat(32)).setSizeBytes(6).build();
      Digest root =
          put(
              farm,
              Directory.newBuilder()
                  .addFiles(FileNode.newBuilder().setName("a").setDigest(lost))
                  .addDirectories(DirectoryNode.newBuilder().setName("b").setDigest(gone))
                  .build());
      Digest action = action(farm, command(), Action.newBuilder().setInputRootDigest(root).build());
      StatusRuntimeException refused =
          assertThrows(
              StatusRuntimeException.class,
              () -> execution(farm).execute(request(action)).hasNext());
      assertEquals(Status.Code.FAILED_PRECONDITION, refused.getStatus().getCode());
      Any detail = StatusProto.fromThrowable(refused).getDetails(0);
      List<String> subjects =
          detail.unpack(PreconditionFailure.class).getViolationsList().stream()
              .peek(v -> assertEquals("MISSING", v.getType()))
              .map(PreconditionFailure.Violation::getSubject)
              .sorted()
              .toList();
      assertEquals(
          List.of("blobs/" + lost.getHash() + "/5", "blobs/" + gone.getHash() + "/6"), subjects);
    }
  }

  @Test
  void aGraphThatUnfoldsWithoutEndCostsWhatItsFewBlobsCost() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Digest below = put(farm, Directory.getDefaultInstance());
      for (int i = 0; i < 60; i++) {
        below =
            put(
                farm,
                Directory.newBuilder()
                    .addDirectories(DirectoryNode.newBuilder().setName("a").setDigest(below))
                    .addDirectories(DirectoryNode.newBuilder().setName("b").setDigest(below))
                    .build());
      }
      Digest action =
          action(farm, command(), Action.newBuilder().setInputRootDigest(below).build());
      assertEquals(
          ExecutionStage.Value.QUEUED, stage(execution(farm).execute(request(action)).next()));
    }
  }

  @Test
  void whatNobodyCanRunFailsAtOnceAndSaysWhy() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Platform.Property property =
          Platform.Property.newBuilder().setName("pool").setValue("gpu").build();
      Digest action =
          action(
              farm,
              command(),
              Action.newBuilder()
                  .setPlatform(Platform.newBuilder().addProperties(property))
                  .build());
      ExecuteResponse response = last(execution(farm).execute(request(action)));
      assertEquals(Code.FAILED_PRECONDITION_VALUE, response.getStatus().getCode());
      assertTrue(response.getMessage().contains("gpu"), response.getMessage());
    }
  }

  @Test
  void failuresOfTheFarmAreStatusesOfTheResponse() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Digest action = action(farm, command());
      Iterator<Operation> operations = execution(farm).execute(request(action));
      operations.next();
      Lease lease = executor.lease(1, 5).getFirst();
      executor.stub.complete(
          executor
              .outcome(lease)
              .setFailure(
                  Failure.newBuilder()
                      .setFailureClass(FailureClass.FAILURE_TIMEOUT)
                      .setMessage("killed after 1 s"))
              .build());
      ExecuteResponse response = last(operations);
      assertEquals(Code.DEADLINE_EXCEEDED_VALUE, response.getStatus().getCode());
      assertEquals("killed after 1 s", response.getMessage());
    }
  }

  /** What is wrong, and how it is sent. */
  record Bad(String what, Bad.Sent sent) {
    interface Sent {
      ExecuteRequest to(TestFarm farm);
    }

    @Override
    public String toString() {
      return what;
    }
  }

  private static Bad badCommand(String what, Command.Builder command) {
    return new Bad(what, farm -> request(action(farm, command.build())));
  }

  private static Bad badRoot(String what, Directory.Builder root) {
    return new Bad(
        what,
        farm ->
            request(
                action(
                    farm,
                    command(),
                    Action.newBuilder().setInputRootDigest(put(farm, root.build())).build())));
  }

  static Stream<Bad> bad() {
    Digest empty = Wire.digest(build.thresher.cas.api.Digest.EMPTY);
    FileNode.Builder a = FileNode.newBuilder().setName("a").setDigest(empty);
    FileNode.Builder b = FileNode.newBuilder().setName("b").setDigest(empty);
    return Stream.of(
        new Bad("no digest", farm -> ExecuteRequest.getDefaultInstance()),
        new Bad(
            "an upper-case digest",
            farm -> request(Digest.newBuilder().setHash("AB".repeat(32)).build())),
        new Bad(
            "a negative size",
            farm -> request(Digest.newBuilder().setHash("ab".repeat(32)).setSizeBytes(-1).build())),
        new Bad(
            "another digest function",
            farm ->
                request(action(farm, command())).toBuilder()
                    .setDigestFunction(DigestFunction.Value.SHA512)
                    .build()),
        new Bad(
            "a blob that is no action",
            farm -> request(Wire.digest(farm.text("no protocol buffer at all")))),
        new Bad(
            "a timeout that is too long",
            farm ->
                request(
                    action(
                        farm,
                        command(),
                        Action.newBuilder()
                            .setTimeout(Duration.newBuilder().setSeconds(Integer.MAX_VALUE))
                            .build()))),
        new Bad(
            "a negative timeout",
            farm ->
                request(
                    action(
                        farm,
                        command(),
                        Action.newBuilder()
                            .setTimeout(Duration.newBuilder().setSeconds(-1))
                            .build()))),
        badCommand("no program", Command.newBuilder()),
        badCommand("an output above", command("../out").toBuilder()),
        badCommand("an absolute output", command("/out").toBuilder()),
        badCommand("an output with dots", command("a/./b").toBuilder()),
        badCommand("an output twice", command("a", "a").toBuilder()),
        badCommand("an output with an empty part", command("a//b").toBuilder()),
        badCommand(
            "a working directory above", command().toBuilder().setWorkingDirectory("a/../..")),
        badCommand(
            "a variable twice",
            command().toBuilder()
                .addEnvironmentVariables(
                    Command.EnvironmentVariable.newBuilder().setName("A").setValue("1"))
                .addEnvironmentVariables(
                    Command.EnvironmentVariable.newBuilder().setName("A").setValue("2"))),
        badCommand(
            "a variable without a name",
            command().toBuilder()
                .addEnvironmentVariables(Command.EnvironmentVariable.getDefaultInstance())),
        badRoot("two entries of one name", Directory.newBuilder().addFiles(a).addFiles(a)),
        badRoot("entries that are not sorted", Directory.newBuilder().addFiles(b).addFiles(a)),
        badRoot(
            "a file and a directory of one name",
            Directory.newBuilder()
                .addFiles(a)
                .addDirectories(DirectoryNode.newBuilder().setName("a").setDigest(empty))),
        badRoot(
            "a name with a slash",
            Directory.newBuilder().addFiles(FileNode.newBuilder(a.build()).setName("x/y"))),
        badRoot(
            "the name ..",
            Directory.newBuilder().addFiles(FileNode.newBuilder(a.build()).setName(".."))),
        badRoot(
            "a digest of the wrong length",
            Directory.newBuilder()
                .addFiles(
                    FileNode.newBuilder()
                        .setName("a")
                        .setDigest(Digest.newBuilder().setHash("abc")))));
  }

  @ParameterizedTest
  @MethodSource("bad")
  void whatBreaksARuleIsRefusedInWords(Bad bad) throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      ExecuteRequest request = bad.sent().to(farm);
      StatusRuntimeException refused =
          assertThrows(
              StatusRuntimeException.class, () -> execution(farm).execute(request).hasNext());
      assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
      String description = refused.getStatus().getDescription();
      assertTrue(description != null && description.length() > 10, description);
      assertTrue(ByteString.copyFromUtf8(description).size() < 10_000);
    }
  }

  @Test
  void anUnknownInstanceIsNotFound() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      StatusRuntimeException refused =
          assertThrows(
              StatusRuntimeException.class,
              () ->
                  execution(farm)
                      .execute(ExecuteRequest.newBuilder().setInstanceName("projects/none").build())
                      .hasNext());
      assertEquals(Status.Code.NOT_FOUND, refused.getStatus().getCode());
    }
  }

  private static String read(TestFarm farm, String name, long offset) throws Exception {
    LiveStreams.Chunk chunk =
        farm.liveOutputs().read(name, offset, 1000, java.time.Duration.ofMillis(10)).orElseThrow();
    return new String(chunk.bytes(), StandardCharsets.UTF_8) + (chunk.last() ? "$" : "");
  }

  private static void append(ScriptedExecutor executor, Lease lease, String text, long offset) {
    executor.stub.appendLog(
        AppendLogRequest.newBuilder()
            .setFence(lease.getFence())
            .setStream(LogStream.LOG_STREAM_STDOUT)
            .setOffset(offset)
            .setData(ByteString.copyFromUtf8(text))
            .build());
  }

  @Test
  void whatAnActionPrintsIsReadFromAnyOffsetWhileItRunsAndAfter() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Iterator<Operation> operations = execution(farm).execute(request(action(farm, command())));
      operations.next();
      Lease lease = executor.lease(1, 5).getFirst();
      ExecuteOperationMetadata metadata =
          operations.next().getMetadata().unpack(ExecuteOperationMetadata.class);
      String stdout = metadata.getStdoutStreamName();
      assertTrue(farm.liveOutputs().isName(stdout));
      assertEquals("", read(farm, stdout, 0));
      append(executor, lease, "first, ", 0);
      assertEquals("first, ", read(farm, stdout, 0));
      append(executor, lease, "second", 7);
      assertEquals("second", read(farm, stdout, 7));
      assertEquals("", read(farm, stdout, 13));

      executor.stub.complete(
          executor
              .outcome(lease)
              .setActionResult(
                  ActionResult.newBuilder()
                      .setStdoutDigest(Wire.digest(farm.text("first, second")))
                      .setStderrRaw(ByteString.copyFromUtf8("oh")))
              .build());
      last(operations);
      assertEquals("first, second$", read(farm, stdout, 0));
      assertEquals("cond$", read(farm, stdout, 9));
      assertEquals("oh$", read(farm, metadata.getStderrStreamName(), 0));
      assertThrows(IllegalArgumentException.class, () -> read(farm, stdout, 14));
      assertTrue(
          farm.liveOutputs()
              .read(
                  "default/operations/none/streams/stdout", 0, 10, java.time.Duration.ofMillis(10))
              .isEmpty());
      assertFalse(farm.liveOutputs().isName("default/blobs/" + "ab".repeat(32) + "/5"));
    }
  }

  @Test
  void whoWaitsForAnOperationHearsHowItStandsWhenHisTimeIsUp() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Iterator<Operation> operations = execution(farm).execute(request(action(farm, command())));
      WaitOperationRequest wait =
          WaitOperationRequest.newBuilder()
              .setName(operations.next().getName())
              .setTimeout(Duration.newBuilder().setNanos(1))
              .build();
      assertFalse(operations(farm).waitOperation(wait).getDone());
      executor.stub.complete(result(executor, executor.lease(1, 5).getFirst(), 0));
      assertTrue(operations(farm).waitOperation(wait.toBuilder().clearTimeout().build()).getDone());
    }
  }

  @Test
  void anInstanceMayHaveSlashesInItsName() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      String instance = "projects/p/instances/i";
      Iterator<Operation> operations =
          execution(farm)
              .execute(
                  request(action(farm, command())).toBuilder().setInstanceName(instance).build());
      String name = operations.next().getName();
      assertTrue(name.startsWith(instance + "/operations/"), name);
      Lease lease = executor.lease(1, 5).getFirst();
      assertEquals(instance, lease.getInstanceName());
      executor.stub.complete(result(executor, lease, 0));
      assertEquals(0, last(operations).getStatus().getCode());
      assertEquals(
          List.of(name),
          operations(farm)
              .listOperations(
                  ListOperationsRequest.newBuilder().setName(instance + "/operations").build())
              .getOperationsList()
              .stream()
              .map(Operation::getName)
              .toList());
    }
  }

  @Test
  void aLowerPriorityNumberGoesFirst() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      List<Integer> priorities = List.of(5, Integer.MAX_VALUE, -3, Integer.MIN_VALUE, 0);
      for (int priority : priorities) {
        ExecutionPolicy policy = ExecutionPolicy.newBuilder().setPriority(priority).build();
        Digest action = action(farm, command("out" + priority));
        execution(farm)
            .execute(request(action).toBuilder().setExecutionPolicy(policy).build())
            .next();
      }
      List<String> order = new ArrayList<>();
      for (Lease lease : executor.lease(priorities.size(), 5)) {
        Action run =
            Action.parseFrom(
                farm.blobs.readAll(
                    Scope.farm("default"), Wire.digest(lease.getActionRun().getAction())));
        Command command =
            Command.parseFrom(
                farm.blobs.readAll(Scope.farm("default"), Wire.digest(run.getCommandDigest())));
        order.add(command.getOutputPaths(0).substring("out".length()));
      }
      assertEquals(priorities.stream().sorted().map(String::valueOf).toList(), order);
    }
  }
}
