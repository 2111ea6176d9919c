package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.Compressor;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

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
      if (one.getCompressor() == Compressor.Value.ZSTD) {
        long size = Wire.parse(one.getDigest()).sizeBytes();
        unpacked = size > MAX_UNPACKED_BYTES ? size : unpacked + size;
        if (unpacked > MAX_UNPACKED_BYTES) {
          throw new IllegalArgumentException(
              "a batch may hold " + MAX_UNPACKED_BYTES + " bytes when it is unpacked; split it");
        }
      }
    }
    Status[] statuses = new Status[requests.size()];
    List<Blob> blobs = new ArrayList<>(requests.size());
    List<Integer> places = new ArrayList<>(requests.size());
    for (int i = 0; i < statuses.length; i++) {
      try {
        blobs.add(unpack(requests.get(i)));
        places.add(i);
      } catch (DigestMismatchException | IllegalArgumentException e) {
        statuses[i] = Statuses.of(e);
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

  private static Blob unpack(BatchUpdateBlobsRequest.Request one) throws IOException {
    Digest digest = Wire.parse(one.getDigest());
    return switch (one.getCompressor()) {
      case IDENTITY -> new Blob(digest, one.getData().toByteArray());
      case ZSTD -> new Blob(digest, decode(digest, one.getData()));
      case DEFLATE, BROTLI, UNRECOGNIZED ->
          throw new IllegalArgumentException(
              "this server knows the compressor ZSTD only, not " + one.getCompressor());
    };
  }

  private static byte[] decode(Digest digest, ByteString compressed) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate((int) digest.sizeBytes());
    try (ZstdDecoder decoder = new ZstdDecoder()) {
      for (ByteBuffer part : compressed.asReadOnlyByteBufferList()) {
        decoder.decode(
            part,
            decoded -> {
              if (decoded.remaining() > bytes.remaining()) {
                throw new DigestMismatchException(digest, "longer than that");
              }
              bytes.put(decoded);
            });
      }
      decoder.finish();
    }
    if (bytes.hasRemaining()) {
      throw new DigestMismatchException(digest, "only " + bytes.position() + " bytes long");
    }
    return bytes.array();
  }

  /** All in one wait for the disk; one by one only where one of them is wrong. */
  private static List<Status> putEach(BlobStore store, Scope scope, List<Blob> blobs)
      throws IOException {
    List<Status> statuses = new ArrayList<>();
    try {
      store.putAll(scope, blobs);
      blobs.forEach(blob -> statuses.add(Status.OK));
    } catch (DigestMismatchException whichOne) {
      for (Blob blob : blobs) {
        try {
          store.putAll(scope, List.of(blob));
          statuses.add(Status.OK);
        } catch (DigestMismatchException e) {
          statuses.add(Statuses.of(e));
        }
      }
    }
    return statuses;
  }
}
