package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.FileNode;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.PreconditionFailure;
import io.grpc.Status.Code;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** Actions that cannot run, or would mean two things. */
final class RefusedActionRules {
  private static final String PROTO = "remote_execution.proto, ";
  private static final String COMMAND = PROTO + "Command.output_paths, working_directory";

  private RefusedActionRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule(
            "Each missing input is a violation of type MISSING",
            PROTO + "Execution.Execute: FAILED_PRECONDITION",
            RefusedActionRules::missing),
        new Rule(
            "What is no Action, Command or Directory is refused",
            "bad input",
            RefusedActionRules::garbage),
        new Rule(
            "A directory that is not canonical is refused",
            PROTO + "Directory: sorted, no duplicates, one segment",
            RefusedActionRules::notCanonical),
        new Rule(
            "An output that is absolute or leaves the input root is refused",
            COMMAND,
            RefusedActionRules::outside));
  }

  private static void missing(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest file = digest(server.fresh());
    Digest gone = digest(server.fresh());
    Digest root =
        server.upload(
            Directory.newBuilder()
                .addFiles(FileNode.newBuilder().setName("a").setDigest(file))
                .addFiles(FileNode.newBuilder().setName("b").setDigest(gone))
                .build());
    Digest action = actions.make(Actions.shell("true"), root, Action.getDefaultInstance());
    com.google.rpc.Status status = actions.failure(action);
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

  private static void garbage(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest noise = server.upload(ByteString.copyFrom(new byte[] {-1, -1, -1, 7, 1}));
    actions.requireRefused(noise);
    actions.requireRefused(
        server.upload(
            Action.newBuilder()
                .setCommandDigest(noise)
                .setInputRootDigest(Actions.NO_INPUTS)
                .build()));
    actions.requireRefused(actions.make(Actions.shell("true"), noise, Action.getDefaultInstance()));
  }

  private static void notCanonical(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest file = server.upload(server.fresh());
    for (List<String> names :
        List.of(List.of("b", "a"), List.of("a", "a"), List.of("a/b"), List.of(".."), List.of(""))) {
      Directory.Builder directory = Directory.newBuilder();
      names.forEach(
          name -> directory.addFiles(FileNode.newBuilder().setName(name).setDigest(file)));
      Digest root = server.upload(directory.build());
      actions.requireRefused(
          actions.make(
              Actions.shell("true " + actions.unseen()), root, Action.getDefaultInstance()));
    }
  }

  private static void outside(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    for (String path : List.of("/tmp/x", "../x", "a/../../x")) {
      actions.requireRefused(actions.make(Actions.shell("true").addOutputPaths(path)));
    }
    actions.requireRefused(actions.make(Actions.shell("true").setWorkingDirectory("../..")));
  }
}
