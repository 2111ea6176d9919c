package build.thresher.scheduler.worker;

import build.thresher.cas.api.BlobStore;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.ExecutorId;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.logs.LogStore;
import build.thresher.scheduler.shell.Calls;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.History;
import build.thresher.scheduler.shell.Polls;
import build.thresher.scheduler.shell.UnavailableException;
import build.thresher.scheduler.spack.Losses;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.AppendLogRequest;
import build.thresher.v1.AppendLogResponse;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.CompleteResponse;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.HeldLease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.LeaseResponse;
import build.thresher.v1.RegisterRequest;
import build.thresher.v1.RegisterResponse;
import build.thresher.v1.RenewRequest;
import build.thresher.v1.RenewResponse;
import com.google.common.collect.ImmutableList;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What executors call. The contract, errors included, stands in executors.proto. */
public final class ExecutorsService extends ExecutorsGrpc.ExecutorsImplBase {
  private static final Logger log = LoggerFactory.getLogger(ExecutorsService.class);
  static final int MAX_SLOTS = 1024;
  private static final int MAX_LOG_CHUNK = 256 << 10;

  private final CoreLoop core;
  private final Duration leaseTerm;
  private final LongPoll longPoll;
  private final Completions completions;
  private final LogStore logs;
  private final Calls calls;

  /**
   * @param ids unique parts of the names of executions
   */
  @SuppressWarnings("TooManyParameters") // the one place where leases, logs and results meet
  public ExecutorsService(
      CoreLoop core,
      Polls polls,
      History history,
      Leases leases,
      Losses losses,
      BlobStore blobs,
      LogStore logs,
      Calls calls,
      Supplier<String> ids) {
    HandedOut handedOut = new HandedOut(core);
    this.core = core;
    this.leaseTerm = leases.term();
    this.longPoll = new LongPoll(core, polls, leases, losses, handedOut, ids);
    this.completions = new Completions(core, history, losses, blobs, logs, handedOut);
    this.logs = logs;
    this.calls = calls;
  }

  @Override
  public void register(RegisterRequest request, StreamObserver<RegisterResponse> observer) {
    calls.unary(observer, () -> register(request));
  }

  private RegisterResponse register(RegisterRequest request) throws Exception {
    if (request.getExecutor().isEmpty() || request.getIncarnation().isEmpty()) {
      throw invalid("an executor gives its name and its incarnation");
    }
    if (request.getSlots() < 1 || request.getSlots() > MAX_SLOTS) {
      throw invalid("an executor has 1 to " + MAX_SLOTS + " slots, not " + request.getSlots());
    }
    ExecutorId id = new ExecutorId(request.getExecutor(), request.getIncarnation());
    ImmutableList<Fence> held =
        request.getHeldList().stream()
            .map(HeldLease::getFence)
            .map(Wire::fence)
            .collect(ImmutableList.toImmutableList());
    Reply reply =
        core.apply(
            new Event.Register(
                id, request.getSlots(), Matched.capabilities(request.getCapabilities()), held));
    RegisterResponse.Builder response =
        RegisterResponse.newBuilder().setLeaseTerm(Wire.duration(leaseTerm));
    if (reply instanceof Reply.Registered registered) {
      registered.refused().forEach(fence -> response.addRefused(Wire.fence(fence)));
    }
    log.info(
        "executor {} registered with {} slots, {} of {} leases kept",
        id.name(),
        request.getSlots(),
        held.size() - response.getRefusedCount(),
        held.size());
    return response.build();
  }

  @Override
  public void lease(LeaseRequest request, StreamObserver<LeaseResponse> observer) {
    ServerCallStreamObserver<LeaseResponse> call =
        (ServerCallStreamObserver<LeaseResponse>) observer;
    Polls.Poll poll = longPoll.begin(call);
    calls.poll(observer, () -> longPoll.answer(request, poll, call));
  }

  @Override
  public void complete(CompleteRequest request, StreamObserver<CompleteResponse> observer) {
    calls.unary(observer, () -> completions.accept(request));
  }

  @Override
  public void renew(RenewRequest request, StreamObserver<RenewResponse> observer) {
    calls.unary(observer, () -> renew(request));
  }

  private RenewResponse renew(RenewRequest request) throws Exception {
    ExecutorId id = new ExecutorId(request.getExecutor(), request.getIncarnation());
    ImmutableList<Event.Progress> progress =
        request.getLeasesList().stream()
            .map(l -> new Event.Progress(Wire.fence(l.getFence()), Matched.text(l.getPhase())))
            .collect(ImmutableList.toImmutableList());
    Reply reply = core.apply(new Event.Renew(id, progress));
    checkKnown(reply, id);
    RenewResponse.Builder response = RenewResponse.newBuilder().setTerm(Wire.duration(leaseTerm));
    if (reply instanceof Reply.Renewed renewed) {
      renewed.kill().forEach(fence -> response.addKill(Wire.fence(fence)));
    }
    return response.build();
  }

  @Override
  public void appendLog(AppendLogRequest request, StreamObserver<AppendLogResponse> observer) {
    calls.unary(observer, () -> appendLog(request));
  }

  private AppendLogResponse appendLog(AppendLogRequest request)
      throws IOException, StatusException, UnavailableException, InterruptedException {
    if (request.getData().size() > MAX_LOG_CHUNK || request.getOffset() < 0) {
      throw invalid("at most " + MAX_LOG_CHUNK + " bytes at an offset that is not negative");
    }
    Fence fence = Wire.fence(request.getFence());
    if (core.ask(view -> view.leased(fence)).isEmpty()) {
      throw Status.ABORTED
          .withDescription("the lease of " + fence.execution() + " is over")
          .asException();
    }
    try {
      long size =
          logs.append(
              fence.execution(),
              Matched.stream(request.getStream()),
              request.getOffset(),
              request.getData().toByteArray());
      return AppendLogResponse.newBuilder().setCommittedBytes(size).build();
    } catch (IllegalArgumentException e) {
      throw invalid(String.valueOf(e.getMessage()));
    } catch (LogStore.GapException e) {
      throw Status.OUT_OF_RANGE.withDescription(e.getMessage()).withCause(e).asException();
    }
  }

  static void checkKnown(Reply reply, ExecutorId id) throws StatusException {
    if (reply instanceof Reply.UnknownExecutor) {
      throw unknown(id);
    }
  }

  static StatusException unknown(ExecutorId id) {
    return Status.NOT_FOUND
        .withDescription("executor " + id.name() + " is not registered; register first")
        .asException();
  }

  static StatusException invalid(String message) {
    return Status.INVALID_ARGUMENT.withDescription(message).asException();
  }
}
