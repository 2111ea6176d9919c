package build.thresher.deploy.load;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import build.thresher.deploy.load.Row.NotOfferedException;
import com.google.common.collect.Lists;
import com.google.longrunning.Operation;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Actions that do nothing: {@code true}, told apart by a variable that it does not read. */
final class ActionRows {
  private static final int CLIENTS = 50;

  private final Content content;

  ActionRows(Content content) {
    this.content = content;
  }

  List<Row> rows() {
    return List.of(
        Row.of("no-op actions, 1 at a time", "actions/s", (t, round) -> run(t, round, 40, 1)),
        Row.of("no-op actions, 16 at a time", "actions/s", (t, round) -> run(t, round, 200, 16)),
        Row.of("no-op actions, 64 at a time", "actions/s", (t, round) -> run(t, round, 400, 64)),
        Row.of("cached actions, Execute, 16 at a time", "actions/s", this::cached),
        Row.of("one action for 50 clients, runs", "runs", this::shared));
  }

  private double run(Target target, int round, int count, int atOnce) throws Exception {
    List<Digest> actions = upload(target, atOnce + "-" + round, count, List.of("/bin/true"));
    return count
        / Work.seconds(count, atOnce, i -> execute(target, target.channel(), actions.get(i)));
  }

  /** The actions of the row before, asked for again. */
  private double cached(Target target, int round) throws Exception {
    List<Digest> actions = upload(target, "64-" + round, 400, List.of("/bin/true"));
    return actions.size()
        / Work.seconds(actions.size(), 16, i -> execute(target, target.channel(), actions.get(i)));
  }

  /** How often it ran: its output is another one each time. */
  private double shared(Target target, int round) throws Exception {
    Digest action =
        upload(target, "shared-" + round, 1, List.of("/bin/cat", "/proc/sys/kernel/random/uuid"))
            .getFirst();
    Set<ActionResult> results = ConcurrentHashMap.newKeySet();
    Work.seconds(
        CLIENTS,
        CLIENTS,
        i -> {
          ManagedChannel own = target.newChannel();
          try {
            ActionResult whole = execute(target, own, action);
            results.add(
                ActionResult.newBuilder()
                    .setStdoutRaw(whole.getStdoutRaw())
                    .setStdoutDigest(whole.getStdoutDigest())
                    .build());
          } finally {
            own.shutdownNow();
          }
        });
    return results.size();
  }

  private List<Digest> upload(Target target, String what, int count, List<String> arguments)
      throws NotOfferedException {
    if (!target.offersExecution()) {
      throw new NotOfferedException("the server runs no actions");
    }
    Blob root = Blob.of(Directory.getDefaultInstance().toByteArray());
    List<Blob> blobs = new ArrayList<>(List.of(root));
    List<Digest> actions = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Command.Builder command = Command.newBuilder().addAllArguments(arguments);
      command
          .addEnvironmentVariablesBuilder()
          .setName("SALT")
          .setValue(content.seed() + "-" + what + "-" + i);
      Blob commandBlob = Blob.of(command.build().toByteArray());
      Blob action =
          Blob.of(
              Action.newBuilder()
                  .setCommandDigest(WireDigests.toWire(commandBlob.digest()))
                  .setInputRootDigest(WireDigests.toWire(root.digest()))
                  .setPlatform(target.platform())
                  .build()
                  .toByteArray());
      blobs.add(commandBlob);
      blobs.add(action);
      actions.add(action.digest());
    }
    for (List<Blob> some : Lists.partition(blobs, 1_000)) {
      BatchUpdateBlobsRequest.Builder batch =
          BatchUpdateBlobsRequest.newBuilder().setInstanceName(target.instance());
      for (Blob blob : some) {
        batch
            .addRequestsBuilder()
            .setDigest(WireDigests.toWire(blob.digest()))
            .setData(UnsafeByteOperations.unsafeWrap(blob.bytes()));
      }
      ContentAddressableStorageGrpc.newBlockingStub(target.channel())
          .batchUpdateBlobs(batch.build());
    }
    return actions;
  }

  private static ActionResult execute(Target target, Channel channel, Digest action)
      throws IOException {
    Iterator<Operation> operations =
        ExecutionGrpc.newBlockingStub(channel)
            .execute(
                ExecuteRequest.newBuilder()
                    .setInstanceName(target.instance())
                    .setActionDigest(WireDigests.toWire(action))
                    .build());
    while (operations.hasNext()) {
      Operation operation = operations.next();
      if (operation.getDone()) {
        ExecuteResponse response = operation.getResponse().unpack(ExecuteResponse.class);
        if (response.getStatus().getCode() != 0 || response.getResult().getExitCode() != 0) {
          throw new IOException("an action failed: " + response);
        }
        return response.getResult();
      }
    }
    throw new IOException("the server broke off an execution");
  }
}
