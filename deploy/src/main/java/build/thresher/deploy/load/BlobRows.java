package build.thresher.deploy.load;

import build.bazel.remote.execution.v2.BatchReadBlobsRequest;
import build.bazel.remote.execution.v2.BatchReadBlobsResponse;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc.ContentAddressableStorageBlockingStub;
import build.bazel.remote.execution.v2.FindMissingBlobsRequest;
import build.thresher.cas.api.Blob;
import build.thresher.cas.client.WireDigests;
import com.google.common.collect.Lists;
import com.google.protobuf.UnsafeByteOperations;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Small blobs: 1 KiB each, 100 in a batch, 8 batches at a time. */
final class BlobRows {
  private static final int BLOBS = 8_000;
  private static final int BLOB_BYTES = 1_024;
  private static final int TOGETHER = 100;
  private static final int AT_ONCE = 8;
  private static final int DIGESTS = 10_000;
  private static final int ASKED = 20;

  private final Content content;

  BlobRows(Content content) {
    this.content = content;
  }

  List<Row> rows() {
    return List.of(
        Row.of("small blobs, batch upload", "blobs/s", this::upload),
        Row.of("small blobs, batch read", "blobs/s", this::read),
        Row.of("FindMissing of 10,000 digests, half there", "digests/s", this::findMissing));
  }

  private List<Blob> blobs(int round) {
    return content.blobs("small", round, BLOBS, BLOB_BYTES);
  }

  private static ContentAddressableStorageBlockingStub stub(Target target) {
    return ContentAddressableStorageGrpc.newBlockingStub(target.channel());
  }

  private double upload(Target target, int round) throws Exception {
    List<BatchUpdateBlobsRequest> batches = new ArrayList<>();
    for (List<Blob> some : Lists.partition(blobs(round), TOGETHER)) {
      BatchUpdateBlobsRequest.Builder batch =
          BatchUpdateBlobsRequest.newBuilder().setInstanceName(target.instance());
      for (Blob blob : some) {
        batch
            .addRequestsBuilder()
            .setDigest(WireDigests.toWire(blob.digest()))
            .setData(UnsafeByteOperations.unsafeWrap(blob.bytes()));
      }
      batches.add(batch.build());
    }
    double seconds =
        Work.seconds(
            batches.size(),
            AT_ONCE,
            i -> {
              BatchUpdateBlobsResponse answer = stub(target).batchUpdateBlobs(batches.get(i));
              for (BatchUpdateBlobsResponse.Response one : answer.getResponsesList()) {
                if (one.getStatus().getCode() != 0) {
                  throw new IOException("a blob was refused: " + one.getStatus());
                }
              }
            });
    return BLOBS / seconds;
  }

  private double read(Target target, int round) throws Exception {
    List<BatchReadBlobsRequest> batches = new ArrayList<>();
    for (List<Blob> some : Lists.partition(blobs(round), TOGETHER)) {
      BatchReadBlobsRequest.Builder batch =
          BatchReadBlobsRequest.newBuilder().setInstanceName(target.instance());
      some.forEach(blob -> batch.addDigests(WireDigests.toWire(blob.digest())));
      batches.add(batch.build());
    }
    double seconds =
        Work.seconds(
            batches.size(),
            AT_ONCE,
            i -> {
              BatchReadBlobsResponse answer = stub(target).batchReadBlobs(batches.get(i));
              for (BatchReadBlobsResponse.Response one : answer.getResponsesList()) {
                if (one.getStatus().getCode() != 0 || one.getData().size() != BLOB_BYTES) {
                  throw new IOException("a blob did not come back: " + one.getStatus());
                }
              }
            });
    return BLOBS / seconds;
  }

  private double findMissing(Target target, int round) throws Exception {
    FindMissingBlobsRequest.Builder request =
        FindMissingBlobsRequest.newBuilder().setInstanceName(target.instance());
    blobs(round).subList(0, DIGESTS / 2).stream()
        .map(blob -> WireDigests.toWire(blob.digest()))
        .forEach(request::addBlobDigests);
    content.blobs("absent", round, DIGESTS / 2, Long.BYTES).stream()
        .map(blob -> WireDigests.toWire(blob.digest()))
        .forEach(request::addBlobDigests);
    FindMissingBlobsRequest asked = request.build();
    double seconds =
        Work.seconds(
            ASKED,
            1,
            i -> {
              int missing = stub(target).findMissingBlobs(asked).getMissingBlobDigestsCount();
              if (missing != DIGESTS / 2) {
                throw new IOException(missing + " digests are said to be missing");
              }
            });
    return (double) ASKED * DIGESTS / seconds;
  }
}
