package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.BatchReadBlobsRequest;
import build.bazel.remote.execution.v2.BatchReadBlobsResponse;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.Compressor;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc;
import build.bazel.remote.execution.v2.FindMissingBlobsRequest;
import build.bazel.remote.execution.v2.FindMissingBlobsResponse;
import build.bazel.remote.execution.v2.GetTreeRequest;
import build.bazel.remote.execution.v2.GetTreeResponse;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import com.github.luben.zstd.Zstd;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.List;

/**
 * The store's blobs over the Remote Execution API. In a batch each blob has a status of its own; a
 * batch over the limit is refused whole.
 *
 * <p>Its methods block: the server's executor must give each call a (virtual) thread.
 */
public final class ContentAddressableStorageService
    extends ContentAddressableStorageGrpc.ContentAddressableStorageImplBase {
  /** Sum of the sizes in one batch; advertised in the capabilities. */
  public static final long MAX_BATCH_BYTES = 4 << 20;

  /** Below, the frame around the data eats what compression saves. */
  private static final int WORTH_COMPRESSING_BYTES = 512;

  private final BlobStore store;
  private final Wire wire;

  public ContentAddressableStorageService(BlobStore store, InstanceNames instances) {
    this.store = store;
    this.wire = new Wire(instances);
  }

  @Override
  public void findMissingBlobs(
      FindMissingBlobsRequest request, StreamObserver<FindMissingBlobsResponse> observer) {
    Answers.answer(
        observer,
        () -> {
          Scope scope = wire.scope(request.getInstanceName(), request.getDigestFunction());
          List<Digest> wanted =
              request.getBlobDigestsList().stream().map(WireDigests::fromWire).toList();
          FindMissingBlobsResponse.Builder response = FindMissingBlobsResponse.newBuilder();
          for (Digest missing : store.findMissing(scope, wanted)) {
            response.addMissingBlobDigests(WireDigests.toWire(missing));
          }
          return response.build();
        });
  }

  @Override
  public void batchUpdateBlobs(
      BatchUpdateBlobsRequest request, StreamObserver<BatchUpdateBlobsResponse> observer) {
    Answers.answer(
        observer,
        () -> {
          Scope scope = wire.scope(request.getInstanceName(), request.getDigestFunction());
          checkBatch(
              request.getRequestsList().stream().mapToLong(one -> one.getData().size()).sum());
          return BatchUpdate.run(store, scope, request.getRequestsList());
        });
  }

  @Override
  public void batchReadBlobs(
      BatchReadBlobsRequest request, StreamObserver<BatchReadBlobsResponse> observer) {
    Answers.answer(
        observer,
        () -> {
          Scope scope = wire.scope(request.getInstanceName(), request.getDigestFunction());
          List<Digest> digests =
              request.getDigestsList().stream().map(WireDigests::fromWire).toList();
          long bytes = 0;
          for (Digest digest : digests) {
            checkBatch(digest.sizeBytes());
            bytes += digest.sizeBytes();
            checkBatch(bytes);
          }
          return read(
              scope,
              digests,
              request.getAcceptableCompressorsList().contains(Compressor.Value.ZSTD));
        });
  }

  /** All in one look, or each by itself where one of them is missing or damaged. */
  private BatchReadBlobsResponse read(Scope scope, List<Digest> digests, boolean zstd)
      throws IOException {
    BatchReadBlobsResponse.Builder response = BatchReadBlobsResponse.newBuilder();
    try {
      for (Blob blob : store.readAll(scope, digests)) {
        put(response.addResponsesBuilder(), blob, zstd);
      }
    } catch (BlobNotFoundException | CorruptBlobException whichOne) {
      response.clear();
      for (Digest digest : digests) {
        BatchReadBlobsResponse.Response.Builder one = response.addResponsesBuilder();
        try {
          put(one, new Blob(digest, store.readAll(scope, digest)), zstd);
        } catch (IOException e) {
          one.setDigest(WireDigests.toWire(digest)).setStatus(Statuses.toRpc(Statuses.of(e)));
        }
      }
    }
    return response.build();
  }

  private static void put(BatchReadBlobsResponse.Response.Builder one, Blob blob, boolean zstd) {
    byte[] bytes = blob.bytes();
    if (zstd && bytes.length >= WORTH_COMPRESSING_BYTES) {
      byte[] compressed = Zstd.compress(bytes, ZstdChunks.LEVEL);
      if (compressed.length < bytes.length) {
        bytes = compressed;
        one.setCompressor(Compressor.Value.ZSTD);
      }
    }
    one.setDigest(WireDigests.toWire(blob.digest()))
        .setData(UnsafeByteOperations.unsafeWrap(bytes));
  }

  private static void checkBatch(long bytes) {
    if (bytes > MAX_BATCH_BYTES) {
      throw new IllegalArgumentException(
          "a batch may hold "
              + MAX_BATCH_BYTES
              + " bytes; split it, or send large blobs over ByteStream");
    }
  }

  @Override
  public void getTree(GetTreeRequest request, StreamObserver<GetTreeResponse> observer) {
    try {
      Scope scope = wire.scope(request.getInstanceName(), request.getDigestFunction());
      StreamPump.start(
          observer,
          new TreePages(
              store,
              scope,
              WireDigests.fromWire(request.getRootDigest()),
              request.getPageSize(),
              request.getPageToken()));
    } catch (IOException | RuntimeException e) {
      observer.onError(Statuses.of(e).asRuntimeException());
    }
  }
}
