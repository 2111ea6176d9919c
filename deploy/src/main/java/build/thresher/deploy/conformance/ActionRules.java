package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;
import static build.thresher.deploy.conformance.Subject.refused;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.GetActionResultRequest;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.Platform;
import build.bazel.remote.execution.v2.UpdateActionResultRequest;
import build.bazel.remote.execution.v2.WaitExecutionRequest;
import com.google.longrunning.GetOperationRequest;
import com.google.longrunning.Operation;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.PreconditionFailure;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** ActionCache, Execution and Operations. Actions run /bin/sh. */
final class ActionRules {
  private static final String PROTO = "remote_execution.proto, ";
  private static final String COMMAND = PROTO + "Command.output_paths, working_directory";
  private static final Digest EMPTY = digest(ByteString.EMPTY);

  private ActionRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule(
            "A result that nobody has put is NOT_FOUND",
            PROTO + "ActionCache.GetActionResult: errors",
            server -> refused(() -> result(server, digest(server.fresh())), Code.NOT_FOUND)),
        new Rule(
            "A result that was put is found",
            PROTO + "ActionCache.UpdateActionResult",
            ActionRules::update),
        new Rule(
            "A result whose blobs are not all there is not found",
            PROTO + "ActionCache: completeness of what GetActionResult returns",
            ActionRules::incomplete),
        new Rule(
            "An action runs; its result says what it did, and is found again",
            PROTO + "Execution.Execute; ExecuteResponse.cached_result",
            ActionRules::runs),
        new Rule(
            "An exit code is a result, and is not cached",
            PROTO + "ExecuteResponse.status; ActionCache: failed actions",
            ActionRules::exitCode),
        new Rule(
            "do_not_cache keeps the result out of the cache",
            PROTO + "Action.do_not_cache",
            ActionRules::notCached),
        new Rule(
            "skip_cache_lookup runs what is cached again",
            PROTO + "ExecuteRequest.skip_cache_lookup",
            ActionRules::again),
        new Rule("Outputs are collected, their parents made", COMMAND, ActionRules::outputs),
        new Rule(
            "The outputs of clients before API 2.1 are collected",
            PROTO + "Command.output_files, output_directories",
            ActionRules::oldOutputs),
        new Rule(
            "A timeout is DEADLINE_EXCEEDED in the response, not an error of the operation",
            PROTO + "Action.timeout; Execution.Execute: errors",
            ActionRules::timeout),
        new Rule(
            "Each missing input is a violation of type MISSING",
            PROTO + "Execution.Execute: FAILED_PRECONDITION",
            ActionRules::missing),
        new Rule(
            "What is no Action, Command or Directory is refused",
            "bad input",
            ActionRules::garbage),
        new Rule(
            "A directory that is not canonical is refused",
            PROTO + "Directory: sorted, no duplicates, one segment",
            ActionRules::notCanonical),
        new Rule(
            "An output that is absolute or leaves the input root is refused",
            COMMAND,
            ActionRules::outside),
        new Rule(
            "A property that nobody offers fails instead of waiting for ever",
            PROTO + "Execution.Execute: no worker",
            ActionRules::unmatched),
        new Rule(
            "An operation that nobody knows is NOT_FOUND",
            PROTO + "Execution.WaitExecution: errors",
            ActionRules::unknownOperation),
        new Rule(
            "An instance that nobody configured is refused",
            PROTO + "ExecuteRequest.instance_name",
            ActionRules::unknownInstance));
  }

  private static ActionResult result(Subject server, Digest action) {
    return server
        .actionCache()
        .getActionResult(
            GetActionResultRequest.newBuilder()
                .setInstanceName(server.instance())
                .setActionDigest(action)
                .build());
  }

  private static void update(Subject server) throws BrokenRuleException, NotOfferedException {
    server.needsResultUpdates();
    Digest output = server.upload(server.fresh());
    Digest action = action(server, shell(server.fresh().toStringUtf8()));
    put(server, action, output);
    require(
        result(server, action).getOutputFiles(0).getDigest().equals(output),
        "another result came back");
  }

  private static void put(Subject server, Digest action, Digest output) {
    server
        .actionCache()
        .updateActionResult(
            UpdateActionResultRequest.newBuilder()
                .setInstanceName(server.instance())
                .setActionDigest(action)
                .setActionResult(
                    ActionResult.newBuilder()
                        .addOutputFiles(OutputFile.newBuilder().setPath("out").setDigest(output)))
                .build());
  }

  private static void incomplete(Subject server) throws BrokenRuleException, NotOfferedException {
    server.needsResultUpdates();
    Digest action = action(server, shell(server.fresh().toStringUtf8()));
    try {
      put(server, action, digest(server.fresh()));
    } catch (StatusRuntimeException e) {
      return; // refused at once: as good
    }
    refused(() -> result(server, action), Code.NOT_FOUND);
  }

  private static Command.Builder shell(String script) {
    return Command.newBuilder()
        .addArguments("/bin/sh")
        .addArguments("-c")
        .addArguments(script)
        .addEnvironmentVariables(
            Command.EnvironmentVariable.newBuilder().setName("PATH").setValue("/usr/bin:/bin"));
  }

  /** A comment that makes an action one that the server has never seen. */
  private static String unseen(Subject server) {
    return "# " + server.fresh().toStringUtf8();
  }

  private static Digest action(Subject server, Command.Builder command) throws BrokenRuleException {
    return action(server, command, EMPTY, Action.getDefaultInstance());
  }

  private static Digest action(Subject server, Command.Builder command, Digest root, Action extra)
      throws BrokenRuleException {
    if (root.equals(EMPTY)) {
      server.upload(ByteString.EMPTY);
    }
    return server.upload(
        extra.toBuilder()
            .setCommandDigest(server.upload(command.build()))
            .setInputRootDigest(root)
            .build());
  }

  private static ExecuteRequest request(Subject server, Digest action, boolean skipLookup) {
    return ExecuteRequest.newBuilder()
        .setInstanceName(server.instance())
        .setActionDigest(action)
        .setSkipCacheLookup(skipLookup)
        .build();
  }

  private static Operation last(Iterator<Operation> operations) {
    Operation last = Operation.getDefaultInstance();
    while (operations.hasNext()) {
      last = operations.next();
    }
    return last;
  }

  private static ExecuteResponse execute(Subject server, Digest action, boolean skipLookup)
      throws BrokenRuleException, InvalidProtocolBufferException {
    Operation operation = last(server.execution().execute(request(server, action, skipLookup)));
    require(operation.getDone(), "the stream ended before the operation");
    require(!operation.hasError(), "Operation.error is set: " + operation.getError());
    return operation.getResponse().unpack(ExecuteResponse.class);
  }

  private static ActionResult ran(Subject server, Digest action)
      throws BrokenRuleException, InvalidProtocolBufferException {
    ExecuteResponse response = execute(server, action, false);
    require(response.getStatus().getCode() == 0, "the status is " + response.getStatus());
    return response.getResult();
  }

  private static ByteString content(Subject server, Digest digest) {
    return server.read(digest).getData();
  }

  private static ByteString printed(Subject server, ActionResult result) {
    return result.hasStdoutDigest()
        ? content(server, result.getStdoutDigest())
        : result.getStdoutRaw();
  }

  private static void runs(Subject server) throws Exception {
    server.needsExecution();
    Digest action = action(server, shell("echo it ran " + unseen(server)));
    ActionResult result = ran(server, action);
    require(result.getExitCode() == 0, "the exit code is " + result.getExitCode());
    require(printed(server, result).toStringUtf8().equals("it ran\n"), "it printed something else");
    ExecuteResponse second = execute(server, action, false);
    require(second.getCachedResult(), "the second run was not taken from the cache");
    require(
        printed(server, result(server, action)).equals(printed(server, result)),
        "the action cache has another result");
  }

  private static void exitCode(Subject server) throws Exception {
    server.needsExecution();
    Digest action = action(server, shell("exit 3 " + unseen(server)));
    require(ran(server, action).getExitCode() == 3, "the exit code is not 3");
    refused(() -> result(server, action), Code.NOT_FOUND);
  }

  private static void notCached(Subject server) throws Exception {
    server.needsExecution();
    Digest action =
        action(
            server,
            shell("true " + unseen(server)),
            EMPTY,
            Action.newBuilder().setDoNotCache(true).build());
    ran(server, action);
    refused(() -> result(server, action), Code.NOT_FOUND);
    require(!execute(server, action, false).getCachedResult(), "the second run was cached");
  }

  private static void again(Subject server) throws Exception {
    server.needsExecution();
    Digest action = action(server, shell("date +%N; true " + unseen(server)));
    ran(server, action);
    require(
        !execute(server, action, true).getCachedResult(),
        "it answered from the cache all the same");
  }

  private static void outputs(Subject server) throws Exception {
    server.needsExecution();
    Digest inside = server.upload(server.fresh());
    Digest root =
        server.upload(
            Directory.newBuilder()
                .addFiles(FileNode.newBuilder().setName("in").setDigest(inside))
                .build());
    ActionResult result =
        ran(
            server,
            action(
                server,
                shell("cp ../../in a/b/file && mkdir -p d/e && cp ../../in d/e/f && ln -s x l")
                    .setWorkingDirectory("work/here")
                    .addOutputPaths("a/b/file")
                    .addOutputPaths("d")
                    .addOutputPaths("l")
                    .addOutputPaths("not/made"),
                root,
                Action.getDefaultInstance()));
    require(result.getExitCode() == 0, "the action failed: " + result);
    require(
        result.getOutputFilesCount() == 1
            && result.getOutputFiles(0).getPath().equals("a/b/file")
            && result.getOutputFiles(0).getDigest().equals(inside),
        "the file is not as it should be: " + result.getOutputFilesList());
    require(
        result.getOutputDirectoriesCount() == 1
            && result.getOutputDirectories(0).getPath().equals("d"),
        "the directory is not as it should be: " + result.getOutputDirectoriesList());
    require(
        result.getOutputSymlinksCount() == 1 && result.getOutputSymlinks(0).getTarget().equals("x"),
        "the link is not as it should be: " + result.getOutputSymlinksList());
  }

  @SuppressWarnings("deprecation") // what those clients send
  private static void oldOutputs(Subject server) throws Exception {
    server.needsExecution();
    ActionResult result =
        ran(
            server,
            action(
                server,
                shell("echo x > a/file; mkdir -p d; echo y > d/f " + unseen(server))
                    .addOutputFiles("a/file")
                    .addOutputDirectories("d")));
    require(
        result.getOutputFilesCount() == 1 && result.getOutputDirectoriesCount() == 1,
        "some outputs are absent: " + result);
  }

  private static void timeout(Subject server) throws Exception {
    server.needsExecution();
    Digest action =
        action(
            server,
            shell("sleep 50 " + unseen(server)),
            EMPTY,
            Action.newBuilder()
                .setTimeout(Duration.newBuilder().setSeconds(1))
                .setDoNotCache(true)
                .build());
    int code = execute(server, action, false).getStatus().getCode();
    require(code == Code.DEADLINE_EXCEEDED.value(), "its status is " + code);
  }

  private static void missing(Subject server) throws Exception {
    server.needsExecution();
    Digest file = digest(server.fresh());
    Digest gone = digest(server.fresh());
    Digest root =
        server.upload(
            Directory.newBuilder()
                .addFiles(FileNode.newBuilder().setName("a").setDigest(file))
                .addFiles(FileNode.newBuilder().setName("b").setDigest(gone))
                .build());
    Digest action = action(server, shell("true"), root, Action.getDefaultInstance());
    com.google.rpc.Status status = failure(server, action);
    require(
        status.getCode() == Code.FAILED_PRECONDITION.value(), "it answered " + status.getCode());
    Set<String> subjects = Set.of();
    for (Any detail : status.getDetailsList()) {
      if (detail.is(PreconditionFailure.class)) {
        subjects =
            detail.unpack(PreconditionFailure.class).getViolationsList().stream()
                .filter(violation -> violation.getType().equals("MISSING"))
                .map(PreconditionFailure.Violation::getSubject)
                .collect(Collectors.toSet());
      }
    }
    require(
        subjects.equals(
            Set.of(
                "blobs/" + file.getHash() + "/" + file.getSizeBytes(),
                "blobs/" + gone.getHash() + "/" + gone.getSizeBytes())),
        "the violations are about " + subjects);
  }

  /** How an action that cannot run fails: as the call, or inside the operation's response. */
  private static com.google.rpc.Status failure(Subject server, Digest action) throws Exception {
    try {
      return execute(server, action, false).getStatus();
    } catch (StatusRuntimeException e) {
      com.google.rpc.Status status = StatusProto.fromThrowable(e);
      return status == null
          ? com.google.rpc.Status.newBuilder()
              .setCode(Status.fromThrowable(e).getCode().value())
              .build()
          : status;
    }
  }

  private static void requireRefused(Subject server, Digest action) throws Exception {
    com.google.rpc.Status status = failure(server, action);
    require(
        status.getCode() == Code.INVALID_ARGUMENT.value()
            || status.getCode() == Code.FAILED_PRECONDITION.value(),
        "it answered " + status.getCode() + " " + status.getMessage());
  }

  private static void garbage(Subject server) throws Exception {
    server.needsExecution();
    Digest noise = server.upload(ByteString.copyFrom(new byte[] {-1, -1, -1, 7, 1}));
    requireRefused(server, noise);
    requireRefused(
        server,
        server.upload(
            Action.newBuilder().setCommandDigest(noise).setInputRootDigest(EMPTY).build()));
    requireRefused(server, action(server, shell("true"), noise, Action.getDefaultInstance()));
  }

  private static void notCanonical(Subject server) throws Exception {
    server.needsExecution();
    Digest file = server.upload(server.fresh());
    for (List<String> names :
        List.of(List.of("b", "a"), List.of("a", "a"), List.of("a/b"), List.of(".."), List.of(""))) {
      Directory.Builder directory = Directory.newBuilder();
      names.forEach(
          name -> directory.addFiles(FileNode.newBuilder().setName(name).setDigest(file)));
      Digest root = server.upload(directory.build());
      requireRefused(
          server,
          action(server, shell("true " + unseen(server)), root, Action.getDefaultInstance()));
    }
  }

  private static void outside(Subject server) throws Exception {
    server.needsExecution();
    for (String path : List.of("/tmp/x", "../x", "a/../../x")) {
      requireRefused(server, action(server, shell("true").addOutputPaths(path)));
    }
    requireRefused(server, action(server, shell("true").setWorkingDirectory("../..")));
  }

  @SuppressWarnings("deprecation") // clients before API 2.2 send it there, and servers may want it
  private static void unmatched(Subject server) throws Exception {
    server.needsExecution();
    Platform platform =
        Platform.newBuilder()
            .addProperties(
                Platform.Property.newBuilder().setName("OSFamily").setValue("no-such-system"))
            .build();
    Digest action =
        action(
            server,
            shell("true " + unseen(server)).setPlatform(platform),
            EMPTY,
            Action.newBuilder().setPlatform(platform).build());
    com.google.rpc.Status status = failure(server, action);
    require(
        status.getCode() != 0 && status.getCode() != Code.DEADLINE_EXCEEDED.value(),
        "it ran, or waited: " + status);
  }

  private static void unknownOperation(Subject server) throws Exception {
    server.needsExecution();
    String name = server.inInstance("operations/00000000-0000-0000-0000-000000000000");
    refused(
        () ->
            last(
                server
                    .execution()
                    .waitExecution(WaitExecutionRequest.newBuilder().setName(name).build())),
        Code.NOT_FOUND);
    refused(
        () ->
            server
                .operations()
                .getOperation(GetOperationRequest.newBuilder().setName(name).build()),
        Code.NOT_FOUND,
        Code.UNIMPLEMENTED);
  }

  private static void unknownInstance(Subject server) throws Exception {
    server.needsExecution();
    Digest action = action(server, shell("true " + unseen(server)));
    refused(
        () ->
            last(
                server
                    .execution()
                    .execute(
                        request(server, action, false).toBuilder()
                            .setInstanceName("no/such-instance")
                            .build())),
        Code.NOT_FOUND,
        Code.INVALID_ARGUMENT,
        Code.PERMISSION_DENIED);
  }
}
