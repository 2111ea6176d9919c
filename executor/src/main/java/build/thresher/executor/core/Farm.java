package build.thresher.executor.core;

import build.thresher.cas.client.WireTimes;
import build.thresher.v1.AppendLogRequest;
import build.thresher.v1.Capabilities;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.Fence;
import build.thresher.v1.HeldLease;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.LogStream;
import build.thresher.v1.RegisterRequest;
import build.thresher.v1.RegisterResponse;
import build.thresher.v1.RenewLease;
import build.thresher.v1.RenewRequest;
import build.thresher.v1.RenewResponse;
import com.google.protobuf.ByteString;
import io.grpc.Channel;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The calls of one executor to its scheduler, each with a deadline; failures are thrown as gRPC
 * gives them. Thread-safe; calls block.
 */
final class Farm {
  private static final Duration LONG_POLL = Duration.ofSeconds(30);
  private static final Duration CALL = Duration.ofSeconds(30);

  private final ExecutorsGrpc.ExecutorsBlockingStub stub;
  private final String executor;
  private final String incarnation;
  private final int slots;
  private final Capabilities capabilities;

  Farm(Channel channel, String executor, String incarnation, int slots, Capabilities capabilities) {
    this.stub = ExecutorsGrpc.newBlockingStub(channel);
    this.executor = executor;
    this.incarnation = incarnation;
    this.slots = slots;
    this.capabilities = capabilities;
  }

  private ExecutorsGrpc.ExecutorsBlockingStub within(Duration limit) {
    return stub.withDeadlineAfter(limit.toMillis(), TimeUnit.MILLISECONDS);
  }

  RegisterResponse register(Collection<RunningLease> held) {
    RegisterRequest.Builder request =
        RegisterRequest.newBuilder()
            .setExecutor(executor)
            .setIncarnation(incarnation)
            .setSlots(slots)
            .setCapabilities(capabilities);
    held.forEach(lease -> request.addHeld(HeldLease.newBuilder().setFence(lease.fence())));
    return within(CALL).register(request.build());
  }

  /**
   * @param silence how long the server may hear nothing of this executor
   */
  List<Lease> lease(int free, Duration silence) {
    Duration wait = silence.compareTo(LONG_POLL) < 0 ? silence : LONG_POLL;
    LeaseRequest request =
        LeaseRequest.newBuilder()
            .setExecutor(executor)
            .setIncarnation(incarnation)
            .setMaxLeases(free)
            .setWait(WireTimes.toWire(wait))
            .build();
    return within(wait.plus(CALL)).lease(request).getLeasesList();
  }

  RenewResponse renew(Collection<RunningLease> held) {
    RenewRequest.Builder request =
        RenewRequest.newBuilder().setExecutor(executor).setIncarnation(incarnation);
    held.forEach(
        lease ->
            request.addLeases(
                RenewLease.newBuilder().setFence(lease.fence()).setPhase(lease.phase())));
    return within(CALL).renew(request.build());
  }

  void complete(CompleteRequest.Builder request) {
    // The server may still be publishing what it was told; give it time.
    within(CALL.multipliedBy(4))
        .complete(request.setExecutor(executor).setIncarnation(incarnation).build());
  }

  /** Returns how many bytes of the log the server has. */
  long appendLog(Fence fence, LogStream stream, long offset, byte[] data) {
    return within(CALL)
        .appendLog(
            AppendLogRequest.newBuilder()
                .setFence(fence)
                .setStream(stream)
                .setOffset(offset)
                .setData(ByteString.copyFrom(data))
                .build())
        .getCommittedBytes();
  }
}
