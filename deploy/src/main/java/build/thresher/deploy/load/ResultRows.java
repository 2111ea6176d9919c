package build.thresher.deploy.load;

import build.bazel.remote.execution.v2.ActionCacheGrpc;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc;
import build.bazel.remote.execution.v2.GetActionResultRequest;
import build.bazel.remote.execution.v2.UpdateActionResultRequest;
import build.thresher.cas.api.Blob;
import build.thresher.cas.client.WireDigests;
import build.thresher.deploy.load.Row.NotOfferedException;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Results of actions with three output files each, 16 calls at a time. */
final class ResultRows {
  private static final int RESULTS = 2_000;
  private static final int AT_ONCE = 16;

  private final Content content;

  ResultRows(Content content) {
    this.content = content;
  }

  List<Row> rows() {
    return List.of(
        Row.of("UpdateActionResult", "calls/s", this::update),
        Row.of("GetActionResult", "calls/s", this::get));
  }

  private List<Blob> actions(int round) {
    return content.blobs("action", round, RESULTS, 140);
  }

  private double update(Target target, int round) throws Exception {
    ActionResult result = withOutputs(target, round);
    List<UpdateActionResultRequest> updates = new ArrayList<>();
    for (Blob action : actions(round)) {
      updates.add(
          UpdateActionResultRequest.newBuilder()
              .setInstanceName(target.instance())
              .setActionDigest(WireDigests.toWire(action.digest()))
              .setActionResult(result)
              .build());
    }
    try {
      double seconds =
          Work.seconds(
              RESULTS,
              AT_ONCE,
              i ->
                  ActionCacheGrpc.newBlockingStub(target.channel())
                      .updateActionResult(updates.get(i)));
      return RESULTS / seconds;
    } catch (StatusRuntimeException e) {
      if (e.getStatus().getCode() == Status.Code.PERMISSION_DENIED) {
        throw new NotOfferedException("clients may not write results");
      }
      throw e;
    }
  }

  private ActionResult withOutputs(Target target, int round) {
    ActionResult.Builder result = ActionResult.newBuilder();
    BatchUpdateBlobsRequest.Builder batch =
        BatchUpdateBlobsRequest.newBuilder().setInstanceName(target.instance());
    for (Blob output : content.blobs("output", round, 3, 1_024)) {
      batch
          .addRequestsBuilder()
          .setDigest(WireDigests.toWire(output.digest()))
          .setData(UnsafeByteOperations.unsafeWrap(output.bytes()));
      result
          .addOutputFilesBuilder()
          .setPath("out/" + output.digest().hex())
          .setDigest(WireDigests.toWire(output.digest()));
    }
    ContentAddressableStorageGrpc.newBlockingStub(target.channel()).batchUpdateBlobs(batch.build());
    return result.build();
  }

  private double get(Target target, int round) throws Exception {
    List<GetActionResultRequest> gets = new ArrayList<>();
    for (Blob action : actions(round)) {
      gets.add(
          GetActionResultRequest.newBuilder()
              .setInstanceName(target.instance())
              .setActionDigest(WireDigests.toWire(action.digest()))
              .build());
    }
    try {
      double seconds =
          Work.seconds(
              RESULTS,
              AT_ONCE,
              i -> {
                ActionResult result =
                    ActionCacheGrpc.newBlockingStub(target.channel()).getActionResult(gets.get(i));
                if (result.getOutputFilesCount() != 3) {
                  throw new IOException("another result came back");
                }
              });
      return RESULTS / seconds;
    } catch (StatusRuntimeException e) {
      if (e.getStatus().getCode() == Status.Code.NOT_FOUND) {
        throw new NotOfferedException("no results were written");
      }
      throw e;
    }
  }
}
