package build.thresher.deploy.demo;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.bazel.remote.execution.v2.FileNode;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import com.google.longrunning.Operation;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import java.util.SortedMap;

/**
 * A client of the Remote Execution API as small as one can be: uploads an action and its inputs,
 * executes it, waits for the end. Thread-safe; calls block.
 */
final class RemoteActions {
  private static final Scope SCOPE = new Scope("", "demo");

  private final Channel channel;
  private final BlobStore store;

  RemoteActions(Channel channel, BlobStore store) {
    this.channel = channel;
    this.store = store;
  }

  /** A file that an action reads or made. */
  record Input(Digest digest, boolean executable) {}

  /** Uploads a file. */
  Input file(byte[] bytes) throws IOException {
    return new Input(store.put(SCOPE, bytes), false);
  }

  /**
   * Runs a command on the farm, or takes the result of an earlier run.
   *
   * @param inputs by name, all in one directory
   * @param outputs names of what it makes
   */
  ExecuteResponse execute(
      List<String> arguments, SortedMap<String, Input> inputs, List<String> outputs)
      throws IOException, DemoException {
    Directory.Builder root = Directory.newBuilder();
    inputs.forEach(
        (name, input) ->
            root.addFiles(
                FileNode.newBuilder()
                    .setName(name)
                    .setDigest(WireDigests.toWire(input.digest()))
                    .setIsExecutable(input.executable())));
    Blob directory = Blob.of(root.build().toByteArray());
    Blob command =
        Blob.of(
            Command.newBuilder()
                .addAllArguments(arguments)
                .addAllOutputPaths(outputs.stream().sorted().toList())
                .build()
                .toByteArray());
    Blob action =
        Blob.of(
            Action.newBuilder()
                .setCommandDigest(WireDigests.toWire(command.digest()))
                .setInputRootDigest(WireDigests.toWire(directory.digest()))
                .build()
                .toByteArray());
    store.putAll(SCOPE, List.of(directory, command, action));
    ExecuteResponse response = await(action.digest());
    if (response.getStatus().getCode() != 0 || response.getResult().getExitCode() != 0) {
      throw new DemoException(
          "`"
              + String.join(" ", arguments)
              + "` ended with "
              + (response.getStatus().getCode() != 0
                  ? response.getStatus().getMessage()
                  : "exit code " + response.getResult().getExitCode())
              + ":\n"
              + response.getResult().getStderrRaw().toStringUtf8());
    }
    return response;
  }

  private ExecuteResponse await(Digest action) throws DemoException {
    try {
      Iterator<Operation> operations =
          ExecutionGrpc.newBlockingStub(channel)
              .execute(
                  ExecuteRequest.newBuilder().setActionDigest(WireDigests.toWire(action)).build());
      while (operations.hasNext()) {
        Operation operation = operations.next();
        if (operation.getDone()) {
          return operation.getResponse().unpack(ExecuteResponse.class);
        }
      }
    } catch (StatusRuntimeException e) {
      throw new DemoException("the farm did not execute " + action + ": " + e.getStatus());
    } catch (InvalidProtocolBufferException e) {
      throw new DemoException("the farm answered something else than an ExecuteResponse");
    }
    throw new DemoException("the farm broke off the execution of " + action);
  }
}
