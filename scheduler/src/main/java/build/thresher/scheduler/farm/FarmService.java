package build.thresher.scheduler.farm;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.scheduler.core.CoreView;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.shell.Calls;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.History;
import build.thresher.scheduler.shell.StreamWriter;
import build.thresher.scheduler.shell.UnavailableException;
import build.thresher.scheduler.shell.Watchers;
import build.thresher.scheduler.spack.SubmissionRefused;
import build.thresher.scheduler.spack.Submissions;
import build.thresher.scheduler.store.TaskStore.Page;
import build.thresher.scheduler.store.TaskStore.RequestQuery;
import build.thresher.scheduler.wire.Snapshots;
import build.thresher.scheduler.wire.Wire;
import build.thresher.scheduler.worker.LogStore;
import build.thresher.v1.CancelRequest;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.ExecutorStatus;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.FarmStatus;
import build.thresher.v1.GetRequestRequest;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.Heartbeat;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.ListRequestsResponse;
import build.thresher.v1.ReadLogRequest;
import build.thresher.v1.ReadLogResponse;
import build.thresher.v1.Request;
import build.thresher.v1.WaitExecutionRequest;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What clients call. The contract, errors included, stands in farm.proto. */
public final class FarmService extends FarmGrpc.FarmImplBase {
  private static final Logger log = LoggerFactory.getLogger(FarmService.class);
  private static final Duration HEARTBEAT = Duration.ofSeconds(15);
  private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._-]{1,128}");
  private static final int MAX_CLIENT_NAME = 200;

  private final CoreLoop core;
  private final Watchers watchers;
  private final History history;
  private final Submissions submissions;
  private final BlobStore blobs;
  private final LogReader logReader;
  private final Calls calls;
  private final Instances instances;
  private final FarmStatusSource statusSource;
  private final Settings settings;
  private final Instant started;

  /**
   * The rest of what the service is told.
   *
   * @param ids for requests whose client chose none
   */
  public record Settings(
      String installRoot, String serverVersion, InstantSource wall, Supplier<String> ids) {}

  @SuppressWarnings("TooManyParameters") // the one place where requests, logs and status meet
  public FarmService(
      CoreLoop core,
      Watchers watchers,
      History history,
      Submissions submissions,
      BlobStore blobs,
      LogStore logs,
      Calls calls,
      Instances instances,
      FarmStatusSource statusSource,
      Settings settings) {
    this.core = core;
    this.watchers = watchers;
    this.history = history;
    this.submissions = submissions;
    this.blobs = blobs;
    this.logReader = new LogReader(core, history, blobs, logs);
    this.calls = calls;
    this.instances = instances;
    this.statusSource = statusSource;
    this.settings = settings;
    this.started = settings.wall().instant();
  }

  @Override
  public void execute(ExecuteRequest request, StreamObserver<ExecuteUpdate> observer) {
    calls.stream(observer, answers -> follow(accept(request), answers));
  }

  /** Stores the request, unless it is known, and returns its id. */
  private String accept(ExecuteRequest request) throws Exception {
    String instance = instances.resolve(request.getInstanceName());
    String id = request.getRequestId().isEmpty() ? settings.ids().get() : request.getRequestId();
    if (!REQUEST_ID.matcher(id).matches()) {
      throw invalid("a request_id is 1 to 128 of A-Z a-z 0-9 . _ -");
    }
    if (find(id).isPresent()) {
      return id;
    }
    String client = request.getClient().isEmpty() ? "anonymous" : request.getClient();
    if (client.length() > MAX_CLIENT_NAME) {
      throw invalid("`client` has " + client.length() + " characters; at most " + MAX_CLIENT_NAME);
    }
    Event.Submit submit;
    try {
      submit = submissions.prepare(request, id, instance, client, settings.wall().instant());
    } catch (SubmissionRefused e) {
      throw status(e).asException();
    }
    Reply reply = core.apply(submit);
    if (reply instanceof Reply.OverLimit over) {
      throw Status.RESOURCE_EXHAUSTED.withDescription(over.message()).asException();
    }
    log.info(
        "accepted request {} of {}: {} roots, {} tasks, {} cached",
        id,
        client,
        submit.head().roots().size(),
        submit.tasks().size(),
        submit.head().cached().size());
    return id;
  }

  @Override
  public void waitExecution(WaitExecutionRequest request, StreamObserver<ExecuteUpdate> observer) {
    calls.stream(observer, answers -> follow(subject(request), answers));
  }

  private String subject(WaitExecutionRequest request) throws Exception {
    return switch (request.getSubjectCase()) {
      case REQUEST_ID -> request.getRequestId();
      case SPEC_HASH -> {
        TaskKey key = key(instances.resolve(request.getInstanceName()), request.getSpecHash());
        Optional<String> live = core.ask(view -> view.requestFor(key));
        yield live.or(() -> Optional.empty()).orElse(history.latestRequest(key).orElse(""));
      }
      case SUBJECT_NOT_SET -> throw invalid("name a request_id or a spec_hash");
    };
  }

  private static TaskKey key(String instance, String hash) throws StatusException {
    try {
      return new TaskKey(instance, new DagHash(hash).text());
    } catch (IllegalArgumentException e) {
      throw invalid(String.valueOf(e.getMessage()));
    }
  }

  /** A watch, and the state that it goes on from. */
  private record Joined(Watchers.Watch watch, RequestSnapshot state) {}

  private void follow(String id, StreamWriter<ExecuteUpdate> answers) throws Exception {
    boolean first = true;
    while (true) {
      Optional<Joined> joined =
          core.ask(view -> view.request(id).map(r -> new Joined(watchers.add(id), r)));
      if (joined.isEmpty()) {
        sendFinished(id, first, answers);
        return;
      }
      try {
        Request state = Snapshots.request(joined.get().state());
        if (first) {
          answers.send(ExecuteUpdate.newBuilder().setAccepted(state).build());
        } else {
          for (build.thresher.v1.Task task : state.getTasksList()) {
            answers.send(ExecuteUpdate.newBuilder().setTask(task).build());
          }
        }
        first = false;
        sendNews(joined.get().watch(), answers);
      } finally {
        watchers.remove(joined.get().watch());
      }
    }
  }

  /** Until nothing follows. */
  private static void sendNews(Watchers.Watch watch, StreamWriter<ExecuteUpdate> answers)
      throws Exception {
    while (true) {
      Watchers.News news = watch.take(HEARTBEAT);
      for (TaskSnapshot task : news.tasks()) {
        answers.send(ExecuteUpdate.newBuilder().setTask(Snapshots.task(task)).build());
      }
      if (news.finished()) {
        return;
      }
      if (news.tasks().isEmpty()) {
        answers.send(
            ExecuteUpdate.newBuilder().setHeartbeat(Heartbeat.getDefaultInstance()).build());
      }
    }
  }

  private void sendFinished(String id, boolean first, StreamWriter<ExecuteUpdate> answers)
      throws Exception {
    RequestSnapshot finished = history.request(id).orElseThrow(() -> unknown(id));
    Request state = Snapshots.request(finished);
    if (first) {
      answers.send(ExecuteUpdate.newBuilder().setAccepted(state).build());
    }
    answers.send(ExecuteUpdate.newBuilder().setFinished(state).build());
  }

  @Override
  public void getRequest(GetRequestRequest request, StreamObserver<Request> observer) {
    calls.unary(
        observer,
        () ->
            Snapshots.request(
                find(request.getRequestId()).orElseThrow(() -> unknown(request.getRequestId()))));
  }

  private Optional<RequestSnapshot> find(String id)
      throws UnavailableException, IOException, InterruptedException {
    Optional<RequestSnapshot> live = core.ask(view -> view.request(id));
    return live.isPresent() ? live : history.request(id);
  }

  @Override
  public void listRequests(
      ListRequestsRequest request, StreamObserver<ListRequestsResponse> observer) {
    calls.unary(
        observer,
        () -> {
          String instance = request.getInstanceName();
          Page page =
              history.requests(
                  new RequestQuery(
                      instance.isEmpty() ? null : instances.resolve(instance),
                      request.getActiveOnly(),
                      request.getPageSize(),
                      request.getPageToken()));
          ListRequestsResponse.Builder response =
              ListRequestsResponse.newBuilder().setNextPageToken(page.nextPageToken());
          page.requests()
              .forEach(
                  r ->
                      response.addRequests(
                          Snapshots.head(r.head(), r.state(), r.finished()).toBuilder()
                              .clearCached()
                              .clearExternals()));
          return response.build();
        });
  }

  @Override
  public void cancel(CancelRequest request, StreamObserver<Request> observer) {
    calls.unary(
        observer,
        () -> {
          String id = request.getRequestId();
          Reply reply = core.apply(new Event.Cancel(id));
          if (reply instanceof Reply.Done) {
            log.info("cancelled request {}", id);
          }
          return Snapshots.request(find(id).orElseThrow(() -> unknown(id)));
        });
  }

  @Override
  public void readLog(ReadLogRequest request, StreamObserver<ReadLogResponse> observer) {
    calls.stream(observer, answers -> logReader.read(request, answers));
  }

  @Override
  public void getStatus(GetStatusRequest request, StreamObserver<FarmStatus> observer) {
    calls.unary(
        observer,
        () -> {
          CoreView.Counts counts = core.ask(CoreView::counts);
          BlobStore.Statistics held = blobs.statistics();
          FarmStatus.Builder status =
              FarmStatus.newBuilder()
                  .setServerVersion(settings.serverVersion())
                  .setStarted(Wire.timestamp(started))
                  .setWaiting(counts.waiting())
                  .setReady(counts.ready())
                  .setLeased(counts.leased())
                  .setPublishing(counts.publishing())
                  .setActiveRequests(counts.requests())
                  .setBlobCount(held.blobs())
                  .setBlobBytes(held.bytes())
                  .setInstallRoot(settings.installRoot())
                  .addAllInstances(statusSource.instances());
          for (CoreView.ExecutorView executor : core.ask(CoreView::executors)) {
            status.addExecutors(status(executor));
          }
          return status.build();
        });
  }

  private static ExecutorStatus status(CoreView.ExecutorView executor) {
    return ExecutorStatus.newBuilder()
        .setExecutor(executor.id().name())
        .setSlots(executor.slots())
        .setBusy(executor.busy())
        .setLastSeen(Wire.timestamp(executor.lastSeen()))
        .setOperatingSystem(executor.capabilities().operatingSystem())
        .setTarget(executor.capabilities().target())
        .putAllLabels(executor.capabilities().labels())
        .build();
  }

  private static Status status(SubmissionRefused e) {
    Status status =
        switch (e.kind()) {
          case INVALID -> Status.INVALID_ARGUMENT;
          case MISSING_BLOBS -> Status.FAILED_PRECONDITION;
          case UNKNOWN_INSTANCE -> Status.NOT_FOUND;
          case OVER_LIMIT -> Status.RESOURCE_EXHAUSTED;
        };
    return status.withDescription(e.getMessage());
  }

  private static StatusException unknown(String id) {
    return Status.NOT_FOUND
        .withDescription(
            id.isEmpty() ? "nothing is known of it" : "no request `" + id + "`, or no longer")
        .asException();
  }

  private static StatusException invalid(String message) {
    return Status.INVALID_ARGUMENT.withDescription(message).asException();
  }
}
