package build.thresher.executor.core;

import build.thresher.v1.AppendLogRequest;
import build.thresher.v1.AppendLogResponse;
import build.thresher.v1.Capabilities;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.CompleteResponse;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.Fence;
import build.thresher.v1.HeldLease;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.LeaseResponse;
import build.thresher.v1.LogStream;
import build.thresher.v1.RegisterRequest;
import build.thresher.v1.RegisterResponse;
import build.thresher.v1.RenewLease;
import build.thresher.v1.RenewRequest;
import build.thresher.v1.RenewResponse;
import com.google.protobuf.Duration;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A scheduler that does what a test says, over real gRPC. */
final class ScriptedFarm extends ExecutorsGrpc.ExecutorsImplBase {
  private final Deque<Lease> queue = new ArrayDeque<>();
  private final Set<String> known = new HashSet<>();
  private final Map<Log, ByteArrayOutputStream> logs = new HashMap<>();
  private final Map<Fence, List<String>> phases = new HashMap<>();
  private final List<CompleteRequest> completed = new ArrayList<>();
  private final List<List<Fence>> heldAtRegister = new ArrayList<>();
  private final Set<Fence> kill = new HashSet<>();
  private final Deque<Status> completeFailures = new ArrayDeque<>();
  private Consumer<CompleteRequest> beforeCompleteFails = request -> {};
  private @Nullable Capabilities capabilities;

  private record Log(Fence fence, LogStream stream) {}

  synchronized void offer(Lease lease) {
    queue.add(lease);
    notifyAll();
  }

  /** Hands a lease out and waits for its end. */
  CompleteRequest run(Lease lease) throws InterruptedException {
    offer(lease);
    long deadline = System.nanoTime() + java.time.Duration.ofMinutes(2).toNanos();
    while (System.nanoTime() < deadline) {
      for (CompleteRequest end : completed()) {
        if (end.getFence().equals(lease.getFence())) {
          return end;
        }
      }
      Thread.sleep(10);
    }
    throw new IllegalStateException("no end of " + lease.getFence() + "\n" + log(lease.getFence()));
  }

  /** As after a restart: every executor is unknown. */
  synchronized void forgetExecutors() {
    known.clear();
  }

  synchronized void kill(Fence fence) {
    kill.add(fence);
  }

  /** The next calls of Complete fail with these. */
  synchronized void failCompletes(Status... statuses) {
    completeFailures.addAll(List.of(statuses));
  }

  /** What happens at the server before a call of Complete fails. */
  synchronized void beforeCompleteFails(Consumer<CompleteRequest> what) {
    beforeCompleteFails = what;
  }

  synchronized List<CompleteRequest> completed() {
    return List.copyOf(completed);
  }

  synchronized List<List<Fence>> heldAtRegister() {
    return List.copyOf(heldAtRegister);
  }

  synchronized @Nullable Capabilities capabilities() {
    return capabilities;
  }

  synchronized String log(Fence fence) {
    return log(fence, LogStream.LOG_STREAM_BUILD);
  }

  synchronized String log(Fence fence, LogStream stream) {
    ByteArrayOutputStream bytes = logs.get(new Log(fence, stream));
    return bytes == null ? "" : bytes.toString(StandardCharsets.UTF_8);
  }

  @Override
  public synchronized void register(
      RegisterRequest request, StreamObserver<RegisterResponse> observer) {
    known.add(request.getExecutor());
    capabilities = request.getCapabilities();
    heldAtRegister.add(request.getHeldList().stream().map(HeldLease::getFence).toList());
    answer(
        observer,
        RegisterResponse.newBuilder().setLeaseTerm(Duration.newBuilder().setSeconds(1)).build());
  }

  @Override
  public synchronized void lease(LeaseRequest request, StreamObserver<LeaseResponse> observer) {
    long deadline = System.nanoTime() + 500_000_000L;
    while (true) {
      if (!known.contains(request.getExecutor())) {
        observer.onError(Status.NOT_FOUND.asRuntimeException());
        return;
      }
      if (observer instanceof ServerCallStreamObserver<?> call && call.isCancelled()) {
        return; // Whoever asked is dead.
      }
      long left = deadline - System.nanoTime();
      if (!queue.isEmpty() || left <= 0) {
        LeaseResponse.Builder response = LeaseResponse.newBuilder();
        for (int i = 0; i < request.getMaxLeases() && !queue.isEmpty(); i++) {
          response.addLeases(queue.removeFirst());
        }
        answer(observer, response.build());
        return;
      }
      try {
        wait(Math.min(20, left / 1_000_000 + 1)); // Who has gone is noticed soon.
      } catch (InterruptedException e) {
        return; // The server ends.
      }
    }
  }

  @Override
  public synchronized void renew(RenewRequest request, StreamObserver<RenewResponse> observer) {
    if (!known.contains(request.getExecutor())) {
      observer.onError(Status.NOT_FOUND.asRuntimeException());
      return;
    }
    RenewResponse.Builder response = RenewResponse.newBuilder();
    for (RenewLease lease : request.getLeasesList()) {
      phases.computeIfAbsent(lease.getFence(), f -> new ArrayList<>()).add(lease.getPhase());
      if (kill.contains(lease.getFence())) {
        response.addKill(lease.getFence());
      }
    }
    answer(observer, response.build());
  }

  @Override
  public synchronized void complete(
      CompleteRequest request, StreamObserver<CompleteResponse> observer) {
    Status failure = completeFailures.poll();
    if (failure != null) {
      beforeCompleteFails.accept(request);
      observer.onError(failure.asRuntimeException());
      return;
    }
    completed.add(request);
    answer(observer, CompleteResponse.getDefaultInstance());
  }

  @Override
  public synchronized void appendLog(
      AppendLogRequest request, StreamObserver<AppendLogResponse> observer) {
    ByteArrayOutputStream log =
        logs.computeIfAbsent(
            new Log(request.getFence(), request.getStream()), l -> new ByteArrayOutputStream());
    if (request.getOffset() > log.size()) {
      observer.onError(Status.OUT_OF_RANGE.asRuntimeException());
      return;
    }
    byte[] data = request.getData().toByteArray();
    int known = (int) (log.size() - request.getOffset());
    if (known < data.length) {
      log.write(data, known, data.length - known);
    }
    answer(observer, AppendLogResponse.newBuilder().setCommittedBytes(log.size()).build());
  }

  private static <T> void answer(StreamObserver<T> observer, T value) {
    observer.onNext(value);
    observer.onCompleted();
  }
}
