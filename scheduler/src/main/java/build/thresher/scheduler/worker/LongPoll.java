package build.thresher.scheduler.worker;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.ExecutorId;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.Polls;
import build.thresher.scheduler.spack.Losses;
import build.thresher.scheduler.spack.LostResultException;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.LeaseResponse;
import com.google.common.collect.ImmutableList;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.ServerCallStreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A Lease call from its begin to its answer: it waits in the core, and what the core grants is put
 * together for the executor. What cannot be handed over is given back, and what cannot be put
 * together ends at once, saying why. Any thread; blocks.
 */
final class LongPoll {
  private static final Logger log = LoggerFactory.getLogger(LongPoll.class);
  private static final Duration MAX_WAIT = Duration.ofSeconds(30);

  private final CoreLoop core;
  private final Polls polls;
  private final Leases leases;
  private final Losses losses;
  private final HandedOut handedOut;
  private final Supplier<String> ids;

  /**
   * @param ids unique parts of the names of executions
   */
  LongPoll(
      CoreLoop core,
      Polls polls,
      Leases leases,
      Losses losses,
      HandedOut handedOut,
      Supplier<String> ids) {
    this.core = core;
    this.polls = polls;
    this.leases = leases;
    this.losses = losses;
    this.handedOut = handedOut;
    this.ids = ids;
  }

  /** The call as the core will know it; ended when its caller hangs up. */
  Polls.Poll begin(ServerCallStreamObserver<LeaseResponse> call) {
    Polls.Poll poll = polls.begin();
    call.setOnCancelHandler(
        () -> {
          polls.end(poll);
          core.post(new Event.PollGone(poll.id()));
        });
    return poll;
  }

  LeaseResponse answer(
      LeaseRequest request, Polls.Poll poll, ServerCallStreamObserver<LeaseResponse> call)
      throws Exception {
    ImmutableList<String> names =
        Stream.generate(ids)
            .limit(Math.clamp(request.getMaxLeases(), 1, ExecutorsService.MAX_SLOTS))
            .collect(ImmutableList.toImmutableList());
    Duration wait = Wire.duration(request.getWait());
    long waitNanos = wait.compareTo(MAX_WAIT) > 0 ? MAX_WAIT.toNanos() : wait.toNanos();
    ExecutorId id = new ExecutorId(request.getExecutor(), request.getIncarnation());
    try {
      CompletableFuture<Reply> unused =
          core.begin(new Event.LeaseAsk(poll.id(), id, names, Math.max(0, waitNanos)))
              .whenComplete((reply, failure) -> refuse(poll, id, reply, failure));
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
      if (e.getCause() instanceof StatusException refused) {
        throw refused;
      }
      throw Status.UNAVAILABLE
          .withDescription("the scheduler loads its state; ask again")
          .withCause(e)
          .asException();
    } finally {
      polls.end(poll);
    }
  }

  /** What the core says at once is no news but where it refuses: one wait for both answers. */
  private static void refuse(
      Polls.Poll poll, ExecutorId id, @Nullable Reply reply, @Nullable Throwable failure) {
    if (failure != null) {
      poll.answer().completeExceptionally(failure);
    } else if (reply instanceof Reply.UnknownExecutor) {
      poll.answer().completeExceptionally(ExecutorsService.unknown(id));
    }
  }

  private Optional<Lease> compose(Effect.Grant grant) {
    try {
      Lease lease = leases.compose(grant);
      handedOut.add(grant);
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
}
