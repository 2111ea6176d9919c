package build.thresher.deploy.conformance;

import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.asset.v1.PushGrpc;
import build.bazel.remote.execution.v2.ActionCacheGrpc;
import build.bazel.remote.execution.v2.BatchReadBlobsRequest;
import build.bazel.remote.execution.v2.BatchReadBlobsResponse;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.CapabilitiesGrpc;
import build.bazel.remote.execution.v2.Compressor;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc.ContentAddressableStorageBlockingStub;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.bazel.remote.execution.v2.FindMissingBlobsRequest;
import build.bazel.remote.execution.v2.GetCapabilitiesRequest;
import build.bazel.remote.execution.v2.ServerCapabilities;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.client.WireDigests;
import com.google.bytestream.ByteStreamGrpc;
import com.google.longrunning.OperationsGrpc;
import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.AbstractStub;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/** The server that is tried, and what trying it takes. Thread-safe. */
public final class Subject {
  static final long PATIENCE_SECONDS = 60;

  private final Channel channel;
  private final String instance;
  private final long run;
  private final AtomicInteger made = new AtomicInteger();

  /**
   * @param channel to the server; stays the caller's
   * @param instance that calls are about
   * @param random for contents that the server has never seen
   */
  public Subject(Channel channel, String instance, RandomGenerator random) {
    this.channel = channel;
    this.instance = instance;
    this.run = random.nextLong();
  }

  String instance() {
    return instance;
  }

  ContentAddressableStorageBlockingStub cas() {
    return timely(ContentAddressableStorageGrpc.newBlockingStub(channel));
  }

  ByteStreamGrpc.ByteStreamBlockingStub bytes() {
    return timely(ByteStreamGrpc.newBlockingStub(channel));
  }

  ByteStreamGrpc.ByteStreamStub byteStreams() {
    return timely(ByteStreamGrpc.newStub(channel));
  }

  ActionCacheGrpc.ActionCacheBlockingStub actionCache() {
    return timely(ActionCacheGrpc.newBlockingStub(channel));
  }

  ExecutionGrpc.ExecutionBlockingStub execution() {
    return timely(ExecutionGrpc.newBlockingStub(channel));
  }

  OperationsGrpc.OperationsBlockingStub operations() {
    return timely(OperationsGrpc.newBlockingStub(channel));
  }

  FetchGrpc.FetchBlockingStub assets() {
    return timely(FetchGrpc.newBlockingStub(channel));
  }

  PushGrpc.PushBlockingStub assetPush() {
    return timely(PushGrpc.newBlockingStub(channel));
  }

  private static <S extends AbstractStub<S>> S timely(S stub) {
    return stub.withDeadlineAfter(PATIENCE_SECONDS, TimeUnit.SECONDS);
  }

  ServerCapabilities capabilities() {
    return timely(CapabilitiesGrpc.newBlockingStub(channel))
        .getCapabilities(GetCapabilitiesRequest.newBuilder().setInstanceName(instance).build());
  }

  /**
   * A rule is broken by a server that is there.
   *
   * @param address for the message
   * @throws StoreUnavailableException when nobody answers
   */
  public void requireAnswer(String address) throws StoreUnavailableException {
    try {
      capabilities();
    } catch (StatusRuntimeException e) {
      if (e.getStatus().getCode() == Status.Code.UNAVAILABLE) {
        throw new StoreUnavailableException(
            address + " cannot be reached: " + e.getStatus().getDescription(), e);
      }
    }
  }

  void needsExecution() throws NotOfferedException {
    if (!capabilities().getExecutionCapabilities().getExecEnabled()) {
      throw new NotOfferedException("it runs no actions");
    }
  }

  void needsResultUpdates() throws NotOfferedException {
    if (!capabilities()
        .getCacheCapabilities()
        .getActionCacheUpdateCapabilities()
        .getUpdateEnabled()) {
      throw new NotOfferedException("clients may not write results");
    }
  }

  void needsZstd() throws NotOfferedException {
    if (!capabilities()
        .getCacheCapabilities()
        .getSupportedCompressorsList()
        .contains(Compressor.Value.ZSTD)) {
      throw new NotOfferedException("it does not compress");
    }
  }

  /** Bytes that no other check and no other run has made. */
  ByteString fresh() {
    return fresh(0);
  }

  /** The same, of at least this size. */
  ByteString fresh(int size) {
    String head = "conformance " + run + " " + made.incrementAndGet() + "\n";
    return ByteString.copyFrom(
        head + "x".repeat(Math.max(0, size - head.length())), StandardCharsets.US_ASCII);
  }

  static Digest digest(ByteString bytes) {
    return WireDigests.toWire(build.thresher.cas.api.Digest.of(bytes.toByteArray()));
  }

  /** Puts a blob into the store. */
  Digest upload(ByteString bytes) throws BrokenRuleException {
    Digest digest = digest(bytes);
    BatchUpdateBlobsResponse.Response response = update(digest, bytes);
    BrokenRuleException.require(
        response.getStatus().getCode() == 0, "an upload was refused: " + response.getStatus());
    return digest;
  }

  Digest upload(Message message) throws BrokenRuleException {
    return upload(message.toByteString());
  }

  /** Offers a blob under a digest that need not be its own. */
  BatchUpdateBlobsResponse.Response update(Digest digest, ByteString bytes) {
    return cas()
        .batchUpdateBlobs(
            BatchUpdateBlobsRequest.newBuilder()
                .setInstanceName(instance)
                .addRequests(
                    BatchUpdateBlobsRequest.Request.newBuilder().setDigest(digest).setData(bytes))
                .build())
        .getResponses(0);
  }

  BatchReadBlobsResponse.Response read(Digest digest) {
    return cas()
        .batchReadBlobs(
            BatchReadBlobsRequest.newBuilder().setInstanceName(instance).addDigests(digest).build())
        .getResponses(0);
  }

  boolean has(Digest digest) {
    return missing(List.of(digest)).isEmpty();
  }

  List<Digest> missing(List<Digest> digests) {
    return cas()
        .findMissingBlobs(
            FindMissingBlobsRequest.newBuilder()
                .setInstanceName(instance)
                .addAllBlobDigests(digests)
                .build())
        .getMissingBlobDigestsList();
  }

  /** Name of a blob for reading, in the instance. */
  String blobName(String kind, Digest digest) {
    return inInstance(kind + digest.getHash() + "/" + digest.getSizeBytes());
  }

  String inInstance(String name) {
    return instance.isEmpty() ? name : instance + "/" + name;
  }

  /**
   * Makes a call that has to fail with one of these codes.
   *
   * @throws StatusRuntimeException UNIMPLEMENTED: what the server does not have it need not refuse
   */
  static Status refused(Supplier<?> call, Status.Code... codes) throws BrokenRuleException {
    try {
      Object answer = call.get();
      throw new BrokenRuleException(
          "expected " + List.of(codes) + ", but it answered " + brief(String.valueOf(answer)));
    } catch (StatusRuntimeException e) {
      if (e.getStatus().getCode() == Status.Code.UNIMPLEMENTED) {
        throw e;
      }
      BrokenRuleException.require(
          List.of(codes).contains(e.getStatus().getCode()),
          "expected "
              + List.of(codes)
              + ", but it answered "
              + brief(String.valueOf(e.getMessage())));
      return e.getStatus();
    }
  }

  private static String brief(String text) {
    String line = text.strip().replace('\n', ' ');
    return line.length() <= 200 ? line : line.substring(0, 200) + "…";
  }
}
