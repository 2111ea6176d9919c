package build.thresher.scheduler.worker;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.ExecutorId;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.logs.LogStore;
import build.thresher.scheduler.shell.Calls;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.History;
import build.thresher.scheduler.shell.Polls;
import build.thresher.scheduler.shell.UnavailableException;
import build.thresher.scheduler.spack.Losses;
import build.thresher.scheduler.spack.LostResultException;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.AppendLogRequest;
import build.thresher.v1.AppendLogResponse;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.CompleteResponse;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.HeldLease;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.LeaseResponse;
import build.thresher.v1.RegisterRequest;
import build.thresher.v1.RegisterResponse;
import build.thresher.v1.RenewRequest;
import build.thresher.v1.RenewResponse;
import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import com.google.common.collect.ImmutableList;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What executors call. The contract, errors included, stands in executors.proto. */
public final class ExecutorsService extends ExecutorsGrpc.ExecutorsImplBase {
  private static final Logger log = LoggerFactory.getLogger(ExecutorsService.class);
  private static final Duration MAX_WAIT = Duration.ofSeconds(30);
  private static final int MAX_SLOTS = 1024;
  private static final int MAX_HANDED_OUT = 10_000;
  private static final int MAX_LOG_CHUNK = 256 << 10;

  private final CoreLoop core;
  private final Polls polls;
  private final History history;
  private final Leases leases;
  private final Losses losses;
  private final NamedBlobs named;
  private final LogStore logs;
  private final Calls calls;
  private final Supplier<String> ids;

  /** Leases that this process handed out and that have not been completed, as far as they fit. */
  private final Cache<Fence, Definition> handedOut =
      CacheBuilder.newBuilder().maximumSize(MAX_HANDED_OUT).build();

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
    this.core = core;
    this.polls = polls;
    this.history = history;
    this.leases = leases;
    this.losses = losses;
    this.named = new NamedBlobs(blobs);
    this.logs = logs;
    this.calls = calls;
    this.ids = ids;
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
        RegisterResponse.newBuilder().setLeaseTerm(Wire.duration(leases.term()));
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
    Polls.Poll poll = polls.begin();
    ServerCallStreamObserver<LeaseResponse> call =
        (ServerCallStreamObserver<LeaseResponse>) observer;
    call.setOnCancelHandler(
        () -> {
          polls.end(poll);
          core.post(new Event.PollGone(poll.id()));
        });
    calls.poll(observer, () -> lease(request, poll, call));
  }

  private LeaseResponse lease(
      LeaseRequest request, Polls.Poll poll, ServerCallStreamObserver<LeaseResponse> call)
      throws Exception {
    ImmutableList<String> names =
        java.util.stream.Stream.generate(ids)
            .limit(Math.clamp(request.getMaxLeases(), 1, MAX_SLOTS))
            .collect(ImmutableList.toImmutableList());
    Duration wait = Wire.duration(request.getWait());
    long waitNanos = wait.compareTo(MAX_WAIT) > 0 ? MAX_WAIT.toNanos() : wait.toNanos();
    ExecutorId id = new ExecutorId(request.getExecutor(), request.getIncarnation());
    try {
      checkKnown(core.apply(new Event.LeaseAsk(poll.id(), id, names, Math.max(0, waitNanos))), id);
      ImmutableList<Effect.Grant> grants = poll.answer().get();
      if (call.isCancelled()) {
        grants.forEach(grant -> core.post(new Event.Undelivered(grant.fence())));
        throw Status.CANCELLED.asException();
      }
      LeaseResponse.Builder response = LeaseResponse.newBuilder();
      for (Effect.Grant grant : grants) {
        compose(grant).ifPresent(response::addLeases);
      }
      return response.build();
    } catch (CancellationException e) {
      throw Status.CANCELLED.withCause(e).asException();
    } catch (ExecutionException e) {
      throw Status.UNAVAILABLE
          .withDescription("the scheduler loads its state; ask again")
          .withCause(e)
          .asException();
    } finally {
      polls.end(poll);
    }
  }

  private Optional<Lease> compose(Effect.Grant grant) {
    try {
      Lease lease = leases.compose(grant);
      handedOut.put(grant.fence(), grant.definition());
      log.info(
          "leased {} {} as {} attempt {}",
          grant.definition().name(),
          grant.definition().key(),
          grant.fence().execution(),
          grant.fence().attempt());
      return Optional.of(lease);
    } catch (IOException | RuntimeException e) {
      log.warn("cannot say how to run {}", grant.definition().key(), e);
      core.post(couldNotBegin(grant, e));
      return Optional.empty();
    }
  }

  @SuppressWarnings("IllegalCatch") // whatever goes wrong here, the lease must end
  private Event couldNotBegin(Effect.Grant grant, Exception why) {
    String message = "the execution could not be put together: " + why.getMessage();
    Ending ending = Ending.failure(new Failure(FailureClass.INFRASTRUCTURE, message));
    try {
      return switch (why) {
        case LostResultException lost -> losses.judge(grant.fence(), grant.definition(), lost);
        case BlobNotFoundException gone ->
            losses.judge(
                grant.fence(),
                grant.definition(),
                Ending.failure(
                    new Failure(
                        FailureClass.INFRASTRUCTURE,
                        message,
                        false,
                        ImmutableList.of(gone.digest()))));
        default -> new Event.Complete(grant.fence(), ending);
      };
    } catch (IOException | RuntimeException e) {
      log.warn("cannot say what {} lost", grant.definition().key(), e);
      return new Event.Complete(grant.fence(), ending);
    }
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
    RenewResponse.Builder response =
        RenewResponse.newBuilder().setTerm(Wire.duration(leases.term()));
    if (reply instanceof Reply.Renewed renewed) {
      renewed.kill().forEach(fence -> response.addKill(Wire.fence(fence)));
    }
    return response.build();
  }

  @Override
  public void complete(CompleteRequest request, StreamObserver<CompleteResponse> observer) {
    calls.unary(observer, () -> complete(request));
  }

  private CompleteResponse complete(CompleteRequest request) throws Exception {
    Fence fence = Wire.fence(request.getFence());
    Ending ending;
    try {
      ending = Matched.ending(request);
    } catch (IllegalArgumentException e) {
      throw invalid(String.valueOf(e.getMessage()));
    }
    Optional<Definition> task = leased(fence);
    if (task.isPresent()) {
      check(task.get(), ending);
    }
    Event event =
        task.isPresent()
            ? losses.judge(fence, task.get(), ending)
            : new Event.Complete(fence, ending);
    Reply reply = core.apply(event);
    handedOut.invalidate(fence);
    logs.ended(fence.execution());
    if (reply instanceof Reply.StaleFence && !endedBefore(fence)) {
      throw Status.ABORTED
          .withDescription(
              "the lease of "
                  + fence.execution()
                  + " attempt "
                  + fence.attempt()
                  + " is over; kill the build and forget it")
          .asException();
    }
    log.info(
        "completed {} attempt {}: {}",
        fence.execution(),
        fence.attempt(),
        ending.failure() == null ? "success" : ending.failure().failureClass());
    return CompleteResponse.getDefaultInstance();
  }

  /**
   * What runs under this fence, or did a moment ago: whether it still may is for the core to say.
   */
  private Optional<Definition> leased(Fence fence)
      throws UnavailableException, InterruptedException {
    Definition known = handedOut.getIfPresent(fence);
    return known == null ? core.ask(view -> view.leased(fence)) : Optional.of(known);
  }

  private boolean endedBefore(Fence fence) throws IOException, InterruptedException {
    Optional<Change.ExecutionEnded> ended = history.execution(fence.execution());
    // An executor that was given up on did not end its execution.
    return ended.filter(e -> e.execution().fence().equals(fence)).isPresent()
        && ended.filter(e -> e.ending().outputs() != null || e.ending().log() != null).isPresent();
  }

  private void check(Definition task, Ending ending) throws IOException, StatusException {
    Set<Digest> missing;
    try {
      Matched.checkKind(task, ending);
      missing = named.missing(Scope.farm(task.key().instance()), ending);
    } catch (IllegalArgumentException e) {
      throw invalid(String.valueOf(e.getMessage()));
    }
    if (!missing.isEmpty()) {
      throw Status.FAILED_PRECONDITION
          .withDescription(
              "not in the store: "
                  + missing.stream().map(Digest::toString).collect(Collectors.joining(", "))
                  + "; upload and call again")
          .asException();
    }
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

  private static void checkKnown(Reply reply, ExecutorId id) throws StatusException {
    if (reply instanceof Reply.UnknownExecutor) {
      throw Status.NOT_FOUND
          .withDescription("executor " + id.name() + " is not registered; register first")
          .asException();
    }
  }

  private static StatusException invalid(String message) {
    return Status.INVALID_ARGUMENT.withDescription(message).asException();
  }
}
