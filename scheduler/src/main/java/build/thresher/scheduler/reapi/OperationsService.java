package build.thresher.scheduler.reapi;

import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobStore;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.core.WorkKind;
import build.thresher.scheduler.farm.Instances;
import build.thresher.scheduler.shell.Calls;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.store.TaskStore.Page;
import build.thresher.scheduler.store.TaskStore.RequestQuery;
import build.thresher.scheduler.wire.Wire;
import com.google.longrunning.CancelOperationRequest;
import com.google.longrunning.DeleteOperationRequest;
import com.google.longrunning.GetOperationRequest;
import com.google.longrunning.ListOperationsRequest;
import com.google.longrunning.ListOperationsResponse;
import com.google.longrunning.Operation;
import com.google.longrunning.OperationsGrpc;
import com.google.longrunning.WaitOperationRequest;
import com.google.protobuf.Empty;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Long-running operations of the Execution service: a request of an action each, found until its
 * retention ends. Cancel lets one request go; the action runs on while anybody else waits for it.
 */
public final class OperationsService extends OperationsGrpc.OperationsImplBase {
  private static final Logger log = LoggerFactory.getLogger(OperationsService.class);
  private static final Duration LONGEST_WAIT = Duration.ofSeconds(60);

  /** How late a wait may end. */
  private static final Duration GLANCE = Duration.ofMillis(200);

  private final Requests requests;
  private final OperationTexts texts;
  private final Calls calls;
  private final Instances instances;
  private final LongSupplier nanoTime;

  public OperationsService(
      Requests requests,
      BlobStore blobs,
      ActionCache actionCache,
      Calls calls,
      Instances instances,
      LongSupplier nanoTime) {
    this.requests = requests;
    this.texts = new OperationTexts(blobs, actionCache);
    this.calls = calls;
    this.instances = instances;
    this.nanoTime = nanoTime;
  }

  @Override
  public void getOperation(GetOperationRequest request, StreamObserver<Operation> observer) {
    calls.unary(observer, () -> texts.asItStands(find(request.getName())));
  }

  private RequestSnapshot find(String name) throws Exception {
    Optional<String> id = OperationTexts.requestId(name);
    Optional<RequestSnapshot> request = id.isEmpty() ? Optional.empty() : requests.find(id.get());
    return request
        .filter(r -> r.head().kind() == WorkKind.ACTION)
        .filter(r -> OperationTexts.name(r.head()).equals(name))
        .orElseThrow(() -> ExecutionService.unknown(name));
  }

  /** {@code name} is an instance, with or without {@code /operations}; the filter is not used. */
  @Override
  public void listOperations(
      ListOperationsRequest request, StreamObserver<ListOperationsResponse> observer) {
    calls.unary(
        observer,
        () -> {
          if (!request.getFilter().isEmpty()) {
            throw Status.INVALID_ARGUMENT
                .withDescription("operations cannot be filtered; leave `filter` empty")
                .asException();
          }
          String name = request.getName().replaceFirst("/?operations$", "");
          Page page =
              requests.list(
                  new RequestQuery(
                      instances.resolve(name),
                      WorkKind.ACTION,
                      false,
                      request.getPageSize(),
                      request.getPageToken()));
          ListOperationsResponse.Builder response =
              ListOperationsResponse.newBuilder().setNextPageToken(page.nextPageToken());
          for (RequestSnapshot listed : page.requests()) {
            Optional<RequestSnapshot> whole = requests.find(listed.head().id());
            if (whole.isPresent()) {
              response.addOperations(texts.asItStands(whole.get()));
            }
          }
          return response.build();
        });
  }

  @Override
  public void cancelOperation(CancelOperationRequest request, StreamObserver<Empty> observer) {
    calls.unary(
        observer,
        () -> {
          requests.cancel(find(request.getName()).head().id());
          return Empty.getDefaultInstance();
        });
  }

  @Override
  public void deleteOperation(DeleteOperationRequest request, StreamObserver<Empty> observer) {
    observer.onError(
        Status.UNIMPLEMENTED
            .withDescription("operations go when their retention ends; cancel this one instead")
            .asRuntimeException());
  }

  /** Returns when the operation is done or the time is up, whichever comes first. */
  @Override
  public void waitOperation(WaitOperationRequest request, StreamObserver<Operation> observer) {
    calls.poll(
        observer,
        () -> {
          RequestSnapshot found = find(request.getName());
          try {
            requests.follow(found.head().id(), GLANCE, new UntilDoneOrLate(patience(request)));
          } catch (LateException e) {
            log.trace("operation {} goes on", request.getName(), e);
          }
          return texts.asItStands(find(request.getName()));
        });
  }

  private static Duration patience(WaitOperationRequest request) throws StatusException {
    if (!request.hasTimeout()) {
      return LONGEST_WAIT;
    }
    try {
      Duration asked = Wire.duration(request.getTimeout());
      return asked.compareTo(LONGEST_WAIT) < 0 ? asked : LONGEST_WAIT;
    } catch (ArithmeticException e) {
      throw Status.INVALID_ARGUMENT
          .withDescription("the timeout is no duration")
          .withCause(e)
          .asException();
    }
  }

  /** The caller's time is up. */
  private static final class LateException extends Exception {
    private static final long serialVersionUID = 1L;
  }

  private final class UntilDoneOrLate implements Requests.Follower {
    private final long deadline;

    UntilDoneOrLate(Duration patience) {
      this.deadline = nanoTime.getAsLong() + patience.toNanos();
    }

    private void look() throws LateException {
      if (nanoTime.getAsLong() - deadline >= 0) {
        throw new LateException();
      }
    }

    @Override
    public void joined(RequestSnapshot request) throws LateException {
      look();
    }

    @Override
    public void changed(TaskSnapshot task) throws LateException {
      look();
    }

    @Override
    public void idle() throws LateException {
      look();
    }

    @Override
    public void finished(RequestSnapshot request) {}
  }
}
