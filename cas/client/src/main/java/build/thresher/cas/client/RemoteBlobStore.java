package build.thresher.cas.client;

import build.bazel.remote.execution.v2.BatchReadBlobsRequest;
import build.bazel.remote.execution.v2.BatchReadBlobsResponse;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc.ContentAddressableStorageBlockingV2Stub;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.FindMissingBlobsRequest;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import com.google.common.collect.Lists;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.protobuf.StatusProto;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * A store elsewhere, over the Remote Execution API: batches for small blobs, ByteStream for large
 * ones. What is read whole is checked against its digest on this side too.
 *
 * <p>The instance is the one given here; the scope's is not sent, and the principal is whoever the
 * channel's token names. Leases, pins, deletion and statistics are not on the wire: they throw
 * {@link UnsupportedOperationException}.
 *
 * <p>Threading: safe for any number of threads; calls block. The channel belongs to the caller and
 * is not closed.
 */
public final class RemoteBlobStore implements BlobStore {
  /** Servers take batches of 4 MiB; digests and framing need some of it. */
  static final long BATCH_BYTES = (4 << 20) - (256 << 10);

  /** Bounds what the names in a batch of tiny blobs take. */
  private static final int BATCH_BLOBS = 2_000;

  private static final int FIND_MISSING_PAGE = 10_000;
  private static final long UNARY_DEADLINE_SECONDS = 120;

  private final Channel channel;
  private final String instanceName;

  public RemoteBlobStore(Channel channel, String instanceName) {
    this.channel = channel;
    this.instanceName = instanceName;
  }

  @Override
  public Set<Digest> findMissing(Scope scope, Collection<Digest> wanted) throws IOException {
    Set<Digest> missing = new LinkedHashSet<>();
    for (List<Digest> page :
        Lists.partition(List.copyOf(new LinkedHashSet<>(wanted)), FIND_MISSING_PAGE)) {
      FindMissingBlobsRequest.Builder request =
          FindMissingBlobsRequest.newBuilder()
              .setInstanceName(instanceName)
              .setDigestFunction(DigestFunction.Value.SHA256);
      page.forEach(digest -> request.addBlobDigests(WireDigests.toWire(digest)));
      var response =
          call("looking for missing blobs", () -> cas().findMissingBlobs(request.build()));
      response.getMissingBlobDigestsList().forEach(d -> missing.add(WireDigests.fromWire(d)));
    }
    return missing;
  }

  @Override
  public InputStream read(Scope scope, Digest digest, long offset, long length) throws IOException {
    if (offset < 0 || offset > digest.sizeBytes() || length < 0) {
      throw new IllegalArgumentException(
          "range " + offset + "+" + length + " is not inside blob " + digest);
    }
    long wanted = Math.min(length, digest.sizeBytes() - offset);
    if (wanted == 0) {
      if (!contains(scope, digest)) {
        throw new BlobNotFoundException(digest);
      }
      return InputStream.nullInputStream();
    }
    if (wanted == digest.sizeBytes() && wanted <= BATCH_BYTES) {
      return new ByteArrayInputStream(readAll(scope, List.of(digest)).getFirst().bytes());
    }
    return new ByteStreamSource(channel, blobName(digest), digest, offset, wanted);
  }

  @Override
  public List<Blob> readAll(Scope scope, List<Digest> digests) throws IOException {
    Map<Digest, byte[]> bytes = new HashMap<>();
    Set<Digest> small = new LinkedHashSet<>();
    for (Digest digest : digests) {
      if (digest.equals(Digest.EMPTY)) {
        bytes.put(digest, new byte[0]);
      } else if (digest.sizeBytes() <= BATCH_BYTES) {
        small.add(digest);
      } else if (!bytes.containsKey(digest)) {
        bytes.put(digest, readAll(scope, digest));
      }
    }
    for (List<Digest> batch : batches(small)) {
      bytes.putAll(readBatch(batch));
    }
    List<Blob> blobs = new ArrayList<>(digests.size());
    for (Digest digest : digests) {
      byte[] found = bytes.get(digest);
      if (found == null) {
        throw new BlobNotFoundException(digest);
      }
      blobs.add(new Blob(digest, found));
    }
    return blobs;
  }

  private Map<Digest, byte[]> readBatch(List<Digest> batch) throws IOException {
    BatchReadBlobsRequest.Builder request =
        BatchReadBlobsRequest.newBuilder()
            .setInstanceName(instanceName)
            .setDigestFunction(DigestFunction.Value.SHA256);
    batch.forEach(digest -> request.addDigests(WireDigests.toWire(digest)));
    var response = call("reading a batch", () -> cas().batchReadBlobs(request.build()));
    Map<Digest, byte[]> bytes = new HashMap<>();
    for (BatchReadBlobsResponse.Response one : response.getResponsesList()) {
      Digest digest = WireDigests.fromWire(one.getDigest());
      if (one.getStatus().getCode() != 0) {
        throw StoreErrors.of(digest, grpcStatus(one.getStatus()));
      }
      byte[] data = one.getData().toByteArray();
      if (!Digest.of(data).equals(digest)) {
        throw new CorruptBlobException(digest, "the bytes received are " + Digest.of(data));
      }
      bytes.put(digest, data);
    }
    return bytes;
  }

  @Override
  public BlobWriter write(Scope scope, Digest digest) {
    String resource = prefix() + "uploads/" + UUID.randomUUID() + "/" + blobSuffix(digest);
    return new RemoteBlobWriter(digest, new ByteStreamSink(channel, resource, digest));
  }

  @Override
  public void putAll(Scope scope, List<Blob> blobs) throws IOException {
    Map<Digest, byte[]> small = new HashMap<>();
    for (Blob blob : blobs) {
      Digest actual = Digest.of(blob.bytes());
      if (!actual.equals(blob.digest())) {
        throw new DigestMismatchException(blob.digest(), actual.toString());
      }
      small.put(blob.digest(), blob.bytes());
    }
    for (Blob blob : blobs) {
      if (blob.digest().sizeBytes() > BATCH_BYTES && small.remove(blob.digest()) != null) {
        try (BlobWriter writer = write(scope, blob.digest())) {
          writer.write(ByteBuffer.wrap(blob.bytes()));
          writer.commit();
        }
      }
    }
    for (List<Digest> batch : batches(small.keySet())) {
      BatchUpdateBlobsRequest.Builder request =
          BatchUpdateBlobsRequest.newBuilder()
              .setInstanceName(instanceName)
              .setDigestFunction(DigestFunction.Value.SHA256);
      for (Digest digest : batch) {
        request
            .addRequestsBuilder()
            .setDigest(WireDigests.toWire(digest))
            .setData(UnsafeByteOperations.unsafeWrap(small.get(digest)));
      }
      var response = call("writing a batch", () -> cas().batchUpdateBlobs(request.build()));
      for (BatchUpdateBlobsResponse.Response one : response.getResponsesList()) {
        if (one.getStatus().getCode() != 0) {
          throw StoreErrors.of(WireDigests.fromWire(one.getDigest()), grpcStatus(one.getStatus()));
        }
      }
    }
  }

  private static List<List<Digest>> batches(Collection<Digest> digests) {
    List<List<Digest>> batches = new ArrayList<>();
    List<Digest> batch = new ArrayList<>();
    long bytes = 0;
    for (Digest digest : digests) {
      if (!batch.isEmpty()
          && (bytes + digest.sizeBytes() > BATCH_BYTES || batch.size() == BATCH_BLOBS)) {
        batches.add(batch);
        batch = new ArrayList<>();
        bytes = 0;
      }
      batch.add(digest);
      bytes += digest.sizeBytes();
    }
    if (!batch.isEmpty()) {
      batches.add(batch);
    }
    return batches;
  }

  @Override
  public void lease(Scope scope, Collection<Digest> digests, Instant until) {
    throw notOnTheWire("Leases");
  }

  @Override
  public void pin(Scope scope, Collection<Digest> digests) {
    throw notOnTheWire("Pins");
  }

  @Override
  public void unpin(Scope scope, Collection<Digest> digests) {
    throw notOnTheWire("Pins");
  }

  @Override
  public boolean delete(Scope scope, Digest digest) {
    throw notOnTheWire("Deletion");
  }

  @Override
  public Statistics statistics() {
    throw notOnTheWire("Statistics");
  }

  private static UnsupportedOperationException notOnTheWire(String what) {
    return new UnsupportedOperationException(
        what
            + " of a store can only be asked for inside its server; the Remote Execution API"
            + " has no call for that");
  }

  @Override
  public void close() {}

  private ContentAddressableStorageBlockingV2Stub cas() {
    return ContentAddressableStorageGrpc.newBlockingV2Stub(channel)
        .withMaxInboundMessageSize(FarmChannel.MAX_INBOUND_BYTES)
        .withDeadlineAfter(UNARY_DEADLINE_SECONDS, TimeUnit.SECONDS);
  }

  private String blobName(Digest digest) {
    return prefix() + blobSuffix(digest);
  }

  private String prefix() {
    return instanceName.isEmpty() ? "" : instanceName + "/";
  }

  private static String blobSuffix(Digest digest) {
    return "blobs/" + digest.hex() + "/" + digest.sizeBytes();
  }

  private static Status grpcStatus(com.google.rpc.Status status) {
    return StatusProto.toStatusException(status).getStatus();
  }

  private interface Call<T> {
    T run() throws StatusException;
  }

  private static <T> T call(String what, Call<T> call) throws IOException {
    try {
      return call.run();
    } catch (StatusException e) {
      throw StoreErrors.of(what, e.getStatus());
    }
  }
}
