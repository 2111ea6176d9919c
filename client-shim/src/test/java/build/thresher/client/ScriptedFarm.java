package build.thresher.client;

import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc.ContentAddressableStorageImplBase;
import build.bazel.remote.execution.v2.FindMissingBlobsRequest;
import build.bazel.remote.execution.v2.FindMissingBlobsResponse;
import build.thresher.v1.CancelRequest;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc.FarmImplBase;
import build.thresher.v1.FarmStatus;
import build.thresher.v1.GetRequestRequest;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.ListRequestsResponse;
import build.thresher.v1.ReadLogRequest;
import build.thresher.v1.ReadLogResponse;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.WaitExecutionRequest;
import com.google.protobuf.ByteString;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * A farm on a real port that plays what a test wrote: each Execute or WaitExecution takes the next
 * act. Its store keeps what batches bring; blobs above a batch's size it does not take.
 */
final class ScriptedFarm implements AutoCloseable {
  final List<ExecuteRequest> executed = new CopyOnWriteArrayList<>();
  final List<WaitExecutionRequest> joined = new CopyOnWriteArrayList<>();
  final List<String> cancelled = new CopyOnWriteArrayList<>();
  final Map<String, ByteString> blobs = new ConcurrentHashMap<>();
  final Map<String, String> logs = new ConcurrentHashMap<>();
  final List<Request> requests = new CopyOnWriteArrayList<>();
  private final Queue<Consumer<StreamObserver<ExecuteUpdate>>> acts = new ConcurrentLinkedQueue<>();
  final AtomicInteger uploadsToBreak = new AtomicInteger();
  private final Server server;

  ScriptedFarm() throws IOException {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(new Farm())
            .addService(new Store())
            .build()
            .start();
  }

  String address() {
    return "127.0.0.1:" + server.getPort();
  }

  /** Sends updates and ends the stream well. */
  ScriptedFarm then(ExecuteUpdate... updates) {
    acts.add(
        out -> {
          List.of(updates).forEach(out::onNext);
          out.onCompleted();
        });
    return this;
  }

  /** Sends updates, then the connection breaks. */
  ScriptedFarm thenBreaks(Status status, ExecuteUpdate... updates) {
    acts.add(
        out -> {
          List.of(updates).forEach(out::onNext);
          out.onError(status.asRuntimeException());
        });
    return this;
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  private void play(StreamObserver<ExecuteUpdate> out) {
    Consumer<StreamObserver<ExecuteUpdate>> act = acts.poll();
    if (act == null) {
      out.onError(Status.FAILED_PRECONDITION.withDescription("the script is over").asException());
    } else {
      act.accept(out);
    }
  }

  private final class Farm extends FarmImplBase {
    @Override
    public void execute(ExecuteRequest request, StreamObserver<ExecuteUpdate> out) {
      executed.add(request);
      play(out);
    }

    @Override
    public void waitExecution(WaitExecutionRequest request, StreamObserver<ExecuteUpdate> out) {
      joined.add(request);
      play(out);
    }

    @Override
    public void cancel(CancelRequest request, StreamObserver<Request> out) {
      cancelled.add(request.getRequestId());
      out.onNext(Request.getDefaultInstance());
      out.onCompleted();
    }

    @Override
    public void getRequest(GetRequestRequest asked, StreamObserver<Request> out) {
      for (Request request : requests) {
        if (request.getRequestId().equals(asked.getRequestId())) {
          out.onNext(request);
          out.onCompleted();
          return;
        }
      }
      out.onError(Status.NOT_FOUND.withDescription("no such request").asException());
    }

    @Override
    public void listRequests(ListRequestsRequest asked, StreamObserver<ListRequestsResponse> out) {
      ListRequestsResponse.Builder listed = ListRequestsResponse.newBuilder();
      requests.stream()
          .filter(r -> !asked.getActiveOnly() || r.getState() == RequestState.REQUEST_ACTIVE)
          .forEach(r -> listed.addRequests(r.toBuilder().clearTasks()));
      out.onNext(listed.build());
      out.onCompleted();
    }

    @Override
    public void getStatus(GetStatusRequest request, StreamObserver<FarmStatus> out) {
      FarmStatus.Builder status = FarmStatus.newBuilder().setServerVersion("test");
      status
          .addInstancesBuilder()
          .setName("default")
          .setMirrorUrl("http://127.0.0.1:1/mirror/default")
          .setSigningKeyFingerprint("ABCD");
      out.onNext(status.build());
      out.onCompleted();
    }

    @Override
    public void readLog(ReadLogRequest request, StreamObserver<ReadLogResponse> out) {
      String log = logs.get(request.getExecution());
      if (log == null) {
        out.onError(Status.NOT_FOUND.withDescription("no such execution").asException());
        return;
      }
      out.onNext(
          ReadLogResponse.newBuilder()
              .setOffset(request.getOffset())
              .setData(ByteString.copyFromUtf8(log).substring((int) request.getOffset()))
              .build());
      out.onCompleted();
    }
  }

  private final class Store extends ContentAddressableStorageImplBase {
    @Override
    public void findMissingBlobs(
        FindMissingBlobsRequest request, StreamObserver<FindMissingBlobsResponse> out) {
      FindMissingBlobsResponse.Builder missing = FindMissingBlobsResponse.newBuilder();
      request.getBlobDigestsList().stream()
          .filter(digest -> !blobs.containsKey(digest.getHash()))
          .forEach(missing::addMissingBlobDigests);
      out.onNext(missing.build());
      out.onCompleted();
    }

    @Override
    public void batchUpdateBlobs(
        BatchUpdateBlobsRequest request, StreamObserver<BatchUpdateBlobsResponse> out) {
      if (uploadsToBreak.getAndDecrement() > 0) {
        out.onError(Status.UNAVAILABLE.asRuntimeException());
        return;
      }
      BatchUpdateBlobsResponse.Builder stored = BatchUpdateBlobsResponse.newBuilder();
      request
          .getRequestsList()
          .forEach(
              one -> {
                blobs.put(one.getDigest().getHash(), one.getData());
                stored.addResponsesBuilder().setDigest(one.getDigest());
              });
      out.onNext(stored.build());
      out.onCompleted();
    }
  }
}
