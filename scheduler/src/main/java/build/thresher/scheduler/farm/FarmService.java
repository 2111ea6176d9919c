package build.thresher.scheduler.farm;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.WorkKind;
import build.thresher.scheduler.logs.LogReader;
import build.thresher.scheduler.logs.LogStream;
import build.thresher.scheduler.shell.Calls;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.shell.StreamWriter;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What clients call. The contract, errors included, stands in farm.proto. */
public final class FarmService extends FarmGrpc.FarmImplBase {
  private static final Logger log = LoggerFactory.getLogger(FarmService.class);
  private static final Duration HEARTBEAT = Duration.ofSeconds(15);

  private final Requests requests;
  private final Acceptance acceptance;
  private final SpackMirror mirror;
  private final LogReader logReader;
  private final Calls calls;
  private final Instances instances;
  private final StatusReport status;

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
    this.acceptance = new Acceptance(requests, submissions, instances, wall, ids);
    this.mirror = mirror;
    this.logReader = logReader;
    this.calls = calls;
    this.instances = instances;
    this.status = status;
  }

  @Override
  public void execute(ExecuteRequest request, StreamObserver<ExecuteUpdate> observer) {
    calls.stream(observer, answers -> follow(acceptance.accept(request), answers));
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
    if (!requests.follow(id, HEARTBEAT, new RequestUpdates(answers))) {
      throw unknown(id);
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

  private static StatusException unknown(String id) {
    return Status.NOT_FOUND
        .withDescription(
            id.isEmpty() ? "nothing is known of it" : "no request `" + id + "`, or no longer")
        .asException();
  }

  static StatusException invalid(String message) {
    return Status.INVALID_ARGUMENT.withDescription(message).asException();
  }
}
