package build.thresher.scheduler;

import static build.thresher.scheduler.TestActions.action;
import static build.thresher.scheduler.TestActions.command;
import static build.thresher.scheduler.TestActions.execution;
import static build.thresher.scheduler.TestActions.put;
import static build.thresher.scheduler.TestActions.request;
import static build.thresher.scheduler.TestActions.stage;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecutionStage;
import build.bazel.remote.execution.v2.FileNode;
import build.thresher.scheduler.wire.Wire;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.rpc.PreconditionFailure;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What cannot be run is refused as the API says, and costs little. */
@Timeout(180)
class RefusedActionsTest {
  @TempDir Path directory = Path.of("");

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
        badCommand(
            "an output above a working directory",
            command("../x", "../../out").toBuilder().setWorkingDirectory("a")),
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
}
