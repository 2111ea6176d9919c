package build.thresher.scheduler.farm;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.core.WorkKind;
import build.thresher.scheduler.logs.LogReader;
import build.thresher.scheduler.logs.LogStream;
import build.thresher.scheduler.shell.Caller;
import build.thresher.scheduler.shell.Calls;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.shell.StreamWriter;
import build.thresher.scheduler.spack.SubmissionRefused;
import build.thresher.scheduler.spack.Submissions;
import build.thresher.scheduler.store.TaskStore.Page;
import build.thresher.scheduler.store.TaskStore.RequestQuery;
import build.thresher.scheduler.wire.Snapshots;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.CancelRequest;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.FarmStatus;
import build.thresher.v1.GetProvenanceRequest;
import build.thresher.v1.GetRequestRequest;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.Heartbeat;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.ListRequestsResponse;
import build.thresher.v1.Provenance;
import build.thresher.v1.ReadLogRequest;
import build.thresher.v1.ReadLogResponse;
import build.thresher.v1.Request;
import build.thresher.v1.WaitExecutionRequest;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
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
  private static final String ANONYMOUS = "anonymous";

  private final Requests requests;
  private final Submissions submissions;
  private final SpackMirror mirror;
  private final LogReader logReader;
  private final Calls calls;
  private final Instances instances;
  private final StatusReport status;
  private final InstantSource wall;
  private final Supplier<String> ids;

  /**
   * @param ids for requests whose client chose none
   */
  @SuppressWarnings("TooManyParameters") // the one place where requests, logs and status meet
  public FarmService(
      Requests requests,
      Submissions submissions,
      SpackMirror mirror,
      LogReader logReader,
      Calls calls,
      Instances instances,
      StatusReport status,
      InstantSource wall,
      Supplier<String> ids) {
    this.requests = requests;
    this.submissions = submissions;
    this.mirror = mirror;
    this.logReader = logReader;
    this.calls = calls;
    this.instances = instances;
    this.status = status;
    this.wall = wall;
    this.ids = ids;
  }

  @Override
  public void execute(ExecuteRequest request, StreamObserver<ExecuteUpdate> observer) {
    calls.stream(observer, answers -> follow(accept(request), answers));
  }

  /** Stores the request, unless it is known, and returns its id. */
  private String accept(ExecuteRequest request) throws Exception {
    String instance = instances.resolve(request.getInstanceName());
    String id = request.getRequestId().isEmpty() ? ids.get() : request.getRequestId();
    if (!REQUEST_ID.matcher(id).matches()) {
      throw invalid("a request_id is 1 to 128 of A-Z a-z 0-9 . _ -");
    }
    if (requests.find(id).isPresent()) {
      return id;
    }
    String client = Caller.nameOr(request.getClient().isEmpty() ? ANONYMOUS : request.getClient());
    if (client.length() > MAX_CLIENT_NAME) {
      throw invalid("`client` has " + client.length() + " characters; at most " + MAX_CLIENT_NAME);
    }
    Event.Submit submit;
    try {
      submit = submissions.prepare(request, id, instance, client, wall.instant());
    } catch (SubmissionRefused e) {
      throw status(e).asException();
    }
    Reply reply = requests.submit(submit);
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
        yield requests.latest(key).orElse("");
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

  private void follow(String id, StreamWriter<ExecuteUpdate> answers) throws Exception {
    if (!requests.follow(id, HEARTBEAT, new Telling(answers))) {
      throw unknown(id);
    }
  }

  /** A request in the words of the contract. */
  private static final class Telling implements Requests.Follower {
    private final StreamWriter<ExecuteUpdate> answers;
    private boolean accepted;

    Telling(StreamWriter<ExecuteUpdate> answers) {
      this.answers = answers;
    }

    @Override
    public void joined(RequestSnapshot request) throws Exception {
      if (accepted) {
        for (TaskSnapshot task : request.tasks()) {
          changed(task);
        }
      } else {
        accepted = true;
        answers.send(ExecuteUpdate.newBuilder().setAccepted(Snapshots.request(request)).build());
      }
    }

    @Override
    public void changed(TaskSnapshot task) throws Exception {
      answers.send(ExecuteUpdate.newBuilder().setTask(Snapshots.task(task)).build());
    }

    @Override
    public void idle() throws Exception {
      answers.send(ExecuteUpdate.newBuilder().setHeartbeat(Heartbeat.getDefaultInstance()).build());
    }

    @Override
    public void finished(RequestSnapshot request) throws Exception {
      Request state = Snapshots.request(request);
      if (!accepted) {
        answers.send(ExecuteUpdate.newBuilder().setAccepted(state).build());
      }
      answers.send(ExecuteUpdate.newBuilder().setFinished(state).build());
    }
  }

  @Override
  public void getRequest(GetRequestRequest request, StreamObserver<Request> observer) {
    calls.unary(
        observer,
        () ->
            Snapshots.request(
                requests
                    .find(request.getRequestId())
                    .orElseThrow(() -> unknown(request.getRequestId()))));
  }

  @Override
  public void listRequests(
      ListRequestsRequest request, StreamObserver<ListRequestsResponse> observer) {
    calls.unary(
        observer,
        () -> {
          String instance = request.getInstanceName();
          Page page =
              requests.list(
                  new RequestQuery(
                      instance.isEmpty() ? null : instances.resolve(instance),
                      WorkKind.SPACK,
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
          if (requests.cancel(id)) {
            log.info("cancelled request {}", id);
          }
          return Snapshots.request(requests.find(id).orElseThrow(() -> unknown(id)));
        });
  }

  @Override
  public void readLog(ReadLogRequest request, StreamObserver<ReadLogResponse> observer) {
    calls.stream(
        observer,
        answers ->
            logReader.read(
                request.getExecution(),
                LogStream.BUILD,
                request.getOffset(),
                request.getFollow(),
                new LogAnswers(answers)));
  }

  private record LogAnswers(StreamWriter<ReadLogResponse> answers) implements LogReader.Sink {
    @Override
    public boolean isGone() {
      return answers.isGone();
    }

    @Override
    public void send(long offset, byte[] data, int length) throws Exception {
      answers.send(
          ReadLogResponse.newBuilder()
              .setOffset(offset)
              .setData(ByteString.copyFrom(data, 0, length))
              .build());
    }
  }

  @Override
  public void getProvenance(GetProvenanceRequest request, StreamObserver<Provenance> observer) {
    calls.unary(
        observer,
        () -> {
          String instance = instances.resolve(request.getInstanceName());
          DagHash hash = new DagHash(key(instance, request.getSpecHash()).hash());
          return provenance(instance, hash)
              .orElseThrow(
                  () ->
                      Status.NOT_FOUND
                          .withDescription("`" + instance + "` serves no node " + hash)
                          .asException());
        });
  }

  private Optional<Provenance> provenance(String instance, DagHash hash) throws IOException {
    return mirror
        .provenance(instance, hash)
        .flatMap(
            facts ->
                mirror
                    .find(instance, hash)
                    .map(
                        spec ->
                            Provenance.newBuilder()
                                .setHash(hash.text())
                                .setName(spec.name())
                                .setVersion(spec.version())
                                .setArchive(Wire.digest(spec.archive()))
                                .putAllFacts(facts)
                                .build()));
  }

  @Override
  public void getStatus(GetStatusRequest request, StreamObserver<FarmStatus> observer) {
    calls.unary(observer, status::status);
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
