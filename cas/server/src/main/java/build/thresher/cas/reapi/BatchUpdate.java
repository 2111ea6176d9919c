package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.Compressor;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A batch of small blobs on their way in, each with a status of its own. Compressed ones are
 * unpacked within the size that their digest names; the sum of these sizes is bounded.
 */
final class BatchUpdate {
  /** Of all blobs in a batch, unpacked. */
  private static final long MAX_UNPACKED_BYTES =
      4 * ContentAddressableStorageService.MAX_BATCH_BYTES;

  private BatchUpdate() {}

  static BatchUpdateBlobsResponse run(
      BlobStore store, Scope scope, List<BatchUpdateBlobsRequest.Request> requests)
      throws IOException {
    long unpacked = 0;
    for (BatchUpdateBlobsRequest.Request one : requests) {
      long size = one.getDigest().getSizeBytes();
      if (one.getCompressor() == Compressor.Value.ZSTD && size > 0) {
        unpacked += Math.min(size, MAX_UNPACKED_BYTES + 1);
        if (unpacked > MAX_UNPACKED_BYTES) {
          throw new IllegalArgumentException(
              "a batch may hold " + MAX_UNPACKED_BYTES + " bytes when it is unpacked; split it");
        }
      }
    }
    Status[] statuses = new Status[requests.size()];
    List<Blob> blobs = new ArrayList<>(requests.size());
    List<Integer> places = new ArrayList<>(requests.size());
    try (Unpacking unpacking = new Unpacking()) {
      for (int i = 0; i < statuses.length; i++) {
        try {
          blobs.add(unpacking.unpack(requests.get(i)));
          places.add(i);
        } catch (DigestMismatchException | IllegalArgumentException e) {
          statuses[i] = Statuses.of(e);
        }
      }
    }
    List<Status> stored = putEach(store, scope, blobs);
    for (int i = 0; i < stored.size(); i++) {
      statuses[places.get(i)] = stored.get(i);
    }
    BatchUpdateBlobsResponse.Builder response = BatchUpdateBlobsResponse.newBuilder();
    for (int i = 0; i < statuses.length; i++) {
      response
          .addResponsesBuilder()
          .setDigest(requests.get(i).getDigest())
          .setStatus(Statuses.toRpc(statuses[i]));
    }
    return response.build();
  }

  /** The blobs of one batch. What zstd needs is made for the first that needs it. */
  private static final class Unpacking implements AutoCloseable {
    private @Nullable ZstdDecompressCtx context;

    Blob unpack(BatchUpdateBlobsRequest.Request one) throws IOException {
      Digest digest = WireDigests.fromWire(one.getDigest());
      return switch (one.getCompressor()) {
        case IDENTITY -> new Blob(digest, one.getData().toByteArray());
        case ZSTD -> new Blob(digest, decode(digest, one.getData()));
        case DEFLATE, BROTLI, UNRECOGNIZED ->
            throw new IllegalArgumentException(
                "this server knows the compressor ZSTD only, not " + one.getCompressor());
      };
    }

    /** The size that the digest names is all the room there is, which stops a bomb. */
    private byte[] decode(Digest digest, ByteString compressed) throws IOException {
      if (context == null) {
        context = new ZstdDecompressCtx();
      }
      byte[] bytes = new byte[(int) digest.sizeBytes()];
      byte[] from = compressed.toByteArray();
      int decoded;
      try {
        decoded = context.decompressByteArray(bytes, 0, bytes.length, from, 0, from.length);
      } catch (ZstdException e) {
        throw new IllegalArgumentException(
            "the data cannot be decoded as zstd into the size of its digest: " + e.getMessage(), e);
      }
      if (decoded < bytes.length) {
        throw new DigestMismatchException(digest, "only " + decoded + " bytes long");
      }
      return bytes;
    }

    @Override
    public void close() {
      if (context != null) {
        context.close();
      }
    }
  }

  /** All in one wait for the disk, or two where one of them is wrong. */
  private static List<Status> putEach(BlobStore store, Scope scope, List<Blob> blobs)
      throws IOException {
    try {
      store.putAll(scope, blobs);
      return Collections.nCopies(blobs.size(), Status.OK);
    } catch (DigestMismatchException whichOne) {
      List<Status> statuses = new ArrayList<>(blobs.size());
      List<Blob> right = new ArrayList<>(blobs.size());
      for (Blob blob : blobs) {
        Digest actual = Digest.of(blob.bytes());
        if (actual.equals(blob.digest())) {
          right.add(blob);
          statuses.add(Status.OK);
        } else {
          statuses.add(Statuses.of(new DigestMismatchException(blob.digest(), actual.toString())));
        }
      }
      store.putAll(scope, right);
      return statuses;
    }
  }
}
