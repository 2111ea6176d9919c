package build.thresher.scheduler.worker;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.logs.LogStore;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.History;
import build.thresher.scheduler.spack.Losses;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.CompleteResponse;
import io.grpc.Status;
import io.grpc.StatusException;
import java.io.IOException;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Complete calls: believes how an execution ended when it can have ended so and every blob that it
 * names is in the store, and tells the core. Any thread; blocks.
 */
final class Completions {
  private static final Logger log = LoggerFactory.getLogger(Completions.class);

  private final CoreLoop core;
  private final History history;
  private final Losses losses;
  private final NamedBlobs named;
  private final LogStore logs;
  private final HandedOut handedOut;

  Completions(
      CoreLoop core,
      History history,
      Losses losses,
      BlobStore blobs,
      LogStore logs,
      HandedOut handedOut) {
    this.core = core;
    this.history = history;
    this.losses = losses;
    this.named = new NamedBlobs(blobs);
    this.logs = logs;
    this.handedOut = handedOut;
  }

  CompleteResponse accept(CompleteRequest request) throws Exception {
    Fence fence = Wire.fence(request.getFence());
    Ending ending;
    try {
      ending = Matched.ending(request);
    } catch (IllegalArgumentException e) {
      throw ExecutorsService.invalid(String.valueOf(e.getMessage()));
    }
    Optional<Definition> task = handedOut.find(fence);
    if (task.isPresent()) {
      check(task.get(), ending);
    }
    Event event =
        task.isPresent()
            ? losses.judge(fence, task.get(), ending)
            : new Event.Complete(fence, ending);
    Reply reply = core.apply(event);
    handedOut.remove(fence);
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
      throw ExecutorsService.invalid(String.valueOf(e.getMessage()));
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
}
