package build.thresher.scheduler.reapi;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.bazel.remote.execution.v2.WaitExecutionRequest;
import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.ActionRequirements;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.PlatformProperty;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.core.WorkKind;
import build.thresher.scheduler.farm.Instances;
import build.thresher.scheduler.shell.Calls;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.shell.StreamWriter;
import build.thresher.scheduler.wire.RecentMessages;
import build.thresher.scheduler.wire.Wire;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.longrunning.Operation;
import io.grpc.BindableService;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * REAPI Execution: runs actions, each once for all who ask at the same time. An action that was
 * accepted is on disk before the client hears its operation's name; from then on neither a broken
 * stream nor a restart of the server stops it.
 *
 * <p>INVALID_ARGUMENT: something breaks a rule of the API. FAILED_PRECONDITION with one violation
 * of type MISSING for each blob that has to be uploaded. NOT_FOUND: no such instance or operation.
 * RESOURCE_EXHAUSTED: too many unfinished actions of one invocation. What goes wrong later is the
 * status inside the operation's response.
 */
public final class ExecutionService extends ExecutionGrpc.ExecutionImplBase {
  /** Clients and what lies between give up on streams that are silent for longer than 30 s. */
  private static final Duration HEARTBEAT = Duration.ofSeconds(15);

  private final Requests requests;
  private final Actions actions;
  private final OperationTexts texts;
  private final BlobStore blobs;
  private final ActionCache actionCache;
  private final Calls calls;
  private final Instances instances;
  private final DefaultProperties properties;
  private final InstantSource wall;
  private final Supplier<String> ids;

  private ExecutionService(
      Requests requests,
      BlobStore blobs,
      RecentMessages messages,
      ActionCache actionCache,
      Calls calls,
      Instances instances,
      DefaultProperties properties,
      Duration longestTimeout,
      InstantSource wall,
      Supplier<String> ids) {
    this.requests = requests;
    this.actions = new Actions(blobs, messages, longestTimeout);
    this.texts = new OperationTexts(blobs, actionCache);
    this.blobs = blobs;
    this.actionCache = actionCache;
    this.calls = calls;
    this.instances = instances;
    this.properties = properties;
    this.wall = wall;
    this.ids = ids;
  }

  /**
   * The service, for a server.
   *
   * @param messages those that leases hold
   * @param longestTimeout of an action
   * @param ids unique parts of the names of operations
   */
  public static BindableService create(
      Requests requests,
      BlobStore blobs,
      RecentMessages messages,
      ActionCache actionCache,
      Calls calls,
      Instances instances,
      DefaultProperties properties,
      Duration longestTimeout,
      InstantSource wall,
      Supplier<String> ids) {
    return Invocation.knownTo(
        new ExecutionService(
            requests,
            blobs,
            messages,
            actionCache,
            calls,
            instances,
            properties,
            longestTimeout,
            wall,
            ids));
  }

  @Override
  public void execute(ExecuteRequest request, StreamObserver<Operation> observer) {
    calls.stream(observer, answers -> execute(request, answers));
  }

  private void execute(ExecuteRequest request, StreamWriter<Operation> answers) throws Exception {
    String instance = instances.resolve(request.getInstanceName());
    DigestFunction.Value function = request.getDigestFunction();
    if (function != DigestFunction.Value.UNKNOWN && function != DigestFunction.Value.SHA256) {
      throw Status.INVALID_ARGUMENT
          .withDescription("this farm knows SHA256 only, not " + function)
          .asException();
    }
    Scope scope = Scope.farm(instance);
    Inlining inlining = Inlining.of(request);
    try {
      Digest action = Actions.digest("action_digest", request.getActionDigest());
      if (!request.getSkipCacheLookup()) {
        Optional<byte[]> known = actionCache.find(scope, action);
        if (known.isPresent()) {
          ActionResult result = inlining.into(ActionResult.parseFrom(known.get()), blobs, scope);
          String name = instance + "/operations/" + ids.get();
          answers.send(texts.cached(name, action, result));
          return;
        }
      }
      Actions.Checked checked = actions.check(scope, action);
      run(submission(request, instance, action, checked), inlining, answers);
    } catch (ActionRefused e) {
      throw StatusProto.toStatusException(Problems.of(e));
    }
  }

  private Event.Submit submission(
      ExecuteRequest request, String instance, Digest action, Actions.Checked checked) {
    String id = ids.get();
    Instant now = wall.instant();
    TaskKey key =
        checked.doNotCache()
            ? TaskKey.unsharedAction(instance, action, id)
            : TaskKey.action(instance, action);
    String client = Invocation.clientName().text();
    RequestHead head =
        new RequestHead(
            id,
            instance,
            client,
            WorkKind.ACTION,
            new RequestHead.Options(
                false, false, priority(request.getExecutionPolicy().getPriority())),
            ImmutableList.of(key.hash()),
            ImmutableList.of(),
            ImmutableList.of(),
            now);
    ImmutableList<PlatformProperty> platform =
        properties.added(instance, Wire.platform(checked.platform()));
    Definition task =
        new Definition(
            key,
            checked.program(),
            "",
            ImmutableList.of(),
            ActionRequirements.of(platform),
            new ActionWork(
                action,
                checked.timeout(),
                platform,
                checked.doNotCache(),
                request.getSkipCacheLookup(),
                now));
    return new Event.Submit(head, ImmutableList.of(task), ImmutableSet.of(), ImmutableList.of());
  }

  private void run(Event.Submit submission, Inlining inlining, StreamWriter<Operation> answers)
      throws Exception {
    Reply reply = requests.run(submission, HEARTBEAT, new Telling(inlining, answers));
    if (reply instanceof Reply.OverLimit over) {
      throw Status.RESOURCE_EXHAUSTED.withDescription(over.message()).asException();
    }
  }

  /** REAPI counts the other way round: the lower number goes first. */
  private static int priority(int asked) {
    return -Math.max(asked, -Integer.MAX_VALUE);
  }

  @Override
  public void waitExecution(WaitExecutionRequest request, StreamObserver<Operation> observer) {
    calls.stream(
        observer,
        answers -> {
          String id =
              OperationTexts.requestId(request.getName())
                  .orElseThrow(() -> unknown(request.getName()));
          if (!follow(id, Inlining.NONE, answers)) {
            throw unknown(request.getName());
          }
        });
  }

  /** Clients take this as: call Execute again. */
  static StatusException unknown(String operation) {
    return Status.NOT_FOUND
        .withDescription("no operation `" + operation + "`, or no longer")
        .asException();
  }

  private boolean follow(String id, Inlining inlining, StreamWriter<Operation> answers)
      throws Exception {
    return requests.follow(id, HEARTBEAT, new Telling(inlining, answers));
  }

  /** A request as the operation that its client watches. */
  private final class Telling implements Requests.Follower {
    private final Inlining inlining;
    private final StreamWriter<Operation> answers;
    private @Nullable RequestHead head;
    private @Nullable Operation last;

    Telling(Inlining inlining, StreamWriter<Operation> answers) {
      this.inlining = inlining;
      this.answers = answers;
    }

    @Override
    public void joined(RequestSnapshot request) throws Exception {
      head = request.head();
      for (TaskSnapshot task : request.tasks()) {
        changed(task);
      }
    }

    @Override
    public void changed(TaskSnapshot task) throws Exception {
      if (head != null && !task.state().isDone()) {
        Operation now = texts.running(head, task);
        if (!now.equals(last)) {
          last = now;
          answers.send(now);
        }
      }
    }

    @Override
    public void idle() throws Exception {
      if (last != null) {
        answers.send(last);
      }
    }

    @Override
    public void finished(RequestSnapshot request) throws Exception {
      if (request.head().kind() != WorkKind.ACTION) {
        throw unknown(OperationTexts.name(request.head()));
      }
      answers.send(result(request));
    }

    private Operation result(RequestSnapshot request) throws IOException {
      return texts.finished(request, inlining);
    }
  }
}
