package build.thresher.scheduler.store;

import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Environment;
import build.thresher.scheduler.core.Execution;
import build.thresher.scheduler.core.ExecutorId;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.Outputs;
import build.thresher.scheduler.core.RememberedFailure;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.SpackOutputs;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.core.Usage;
import build.thresher.scheduler.core.WorkKind;
import build.thresher.scheduler.wire.Snapshots;
import build.thresher.scheduler.wire.Wire;
import build.thresher.store.v1.ActionOutcome;
import build.thresher.store.v1.EnvironmentRecord;
import build.thresher.store.v1.ExecutionRecord;
import build.thresher.store.v1.FailureRecord;
import build.thresher.store.v1.RequestRecord;
import build.thresher.store.v1.TaskRecord;
import build.thresher.v1.Request;
import build.thresher.v1.Task;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.protobuf.UnsafeByteOperations;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Values of the core to and from what is stored. */
final class Records {
  private Records() {}

  static RequestRecord request(RequestHead head, RequestState state, @Nullable Instant finished) {
    return RequestRecord.newBuilder()
        .setRequest(Snapshots.head(head, state, finished))
        .setFailFast(head.options().failFast())
        .setRetryFailed(head.options().retryFailed())
        .setPriority(head.options().priority())
        .setKind(
            switch (head.kind()) {
              case SPACK -> build.thresher.store.v1.WorkKind.WORK_KIND_SPACK;
              case ACTION -> build.thresher.store.v1.WorkKind.WORK_KIND_ACTION;
            })
        .build();
  }

  static RequestHead head(RequestRecord r) {
    Request q = r.getRequest();
    return new RequestHead(
        q.getRequestId(),
        q.getInstanceName(),
        q.getClient(),
        r.getKind() == build.thresher.store.v1.WorkKind.WORK_KIND_ACTION
            ? WorkKind.ACTION
            : WorkKind.SPACK,
        new RequestHead.Options(r.getFailFast(), r.getRetryFailed(), r.getPriority()),
        ImmutableList.copyOf(q.getRootsList()),
        ImmutableList.copyOf(q.getCachedList()),
        ImmutableList.copyOf(q.getExternalsList()),
        Wire.instant(q.getCreated()));
  }

  static RequestSnapshot request(RequestRecord r, ImmutableList<TaskSnapshot> tasks) {
    Request q = r.getRequest();
    return new RequestSnapshot(
        head(r),
        Snapshots.state(q.getState()),
        q.hasFinished() ? Wire.instant(q.getFinished()) : null,
        tasks);
  }

  private static ActionOutcome outcome(ActionOutputs outputs) {
    return ActionOutcome.newBuilder()
        .setActionResult(UnsafeByteOperations.unsafeWrap(outputs.actionResult()))
        .setExitCode(outputs.exitCode())
        .build();
  }

  private static ActionOutputs outputs(ActionOutcome outcome) {
    return new ActionOutputs(outcome.getActionResult().toByteArray(), outcome.getExitCode());
  }

  static TaskRecord task(TaskSnapshot t) {
    TaskRecord.Builder b =
        TaskRecord.newBuilder()
            .setId(t.id())
            .setInstanceName(t.key().instance())
            .setTask(Snapshots.task(t))
            .setSpent(t.spent())
            .setMemoryLimitBytes(t.memoryLimitBytes());
    Execution execution = t.execution();
    if (execution != null) {
      b.setEpoch(execution.fence().epoch())
          .setIncarnation(execution.executor().incarnation())
          .setClient(execution.client())
          .setEnvironment(environment(execution.environment()));
    }
    switch (t.ending().outputs()) {
      case SpackOutputs outputs -> b.setSpack(Wire.outputs(outputs));
      case ActionOutputs outputs -> b.setAction(outcome(outputs));
      case null -> {}
    }
    return b.build();
  }

  static TaskSnapshot task(TaskRecord r) {
    Task t = r.getTask();
    Execution execution =
        t.getExecution().isEmpty()
            ? null
            : new Execution(
                new Fence(t.getExecution(), r.getEpoch(), t.getAttempt()),
                new ExecutorId(t.getExecutor(), r.getIncarnation()),
                r.getClient(),
                environment(r.getEnvironment()),
                Wire.instant(t.getStarted()));
    Ending ending =
        new Ending(
            outputs(r),
            t.hasFailure() ? Wire.failure(t.getFailure()) : null,
            t.hasLog() ? Wire.digest(t.getLog()) : null,
            t.hasUsage() ? Wire.usage(t.getUsage()) : Usage.NONE);
    return new TaskSnapshot(
        r.getId(),
        new TaskKey(r.getInstanceName(), t.getHash()),
        t.getName(),
        t.getVersion(),
        Snapshots.state(t.getState()),
        t.getAttempt(),
        r.getSpent(),
        r.getMemoryLimitBytes(),
        t.getPhase(),
        execution,
        ending,
        t.hasFinished() ? Wire.instant(t.getFinished()) : null,
        ImmutableList.copyOf(t.getWaitsForList()));
  }

  private static EnvironmentRecord environment(Environment e) {
    return EnvironmentRecord.newBuilder()
        .setPlatform(e.platform())
        .setOperatingSystem(e.operatingSystem())
        .setTarget(e.target())
        .setSandbox(e.sandbox())
        .putAllFingerprints(e.fingerprints())
        .build();
  }

  private static Environment environment(EnvironmentRecord r) {
    return new Environment(
        r.getPlatform(),
        r.getOperatingSystem(),
        r.getTarget(),
        r.getSandbox(),
        ImmutableSortedMap.copyOf(r.getFingerprintsMap()));
  }

  private static @Nullable Outputs outputs(TaskRecord r) {
    return switch (r.getOutputsCase()) {
      case SPACK -> Wire.outputs(r.getSpack());
      case ACTION -> outputs(r.getAction());
      case OUTPUTS_NOT_SET -> null;
    };
  }

  private static @Nullable Outputs outputs(ExecutionRecord r) {
    return switch (r.getOutputsCase()) {
      case SPACK -> Wire.outputs(r.getSpack());
      case ACTION -> outputs(r.getAction());
      case OUTPUTS_NOT_SET -> null;
    };
  }

  static ExecutionRecord execution(Change.ExecutionEnded c) {
    ExecutionRecord.Builder b =
        ExecutionRecord.newBuilder()
            .setInstanceName(c.key().instance())
            .setHash(c.key().hash())
            .setFence(Wire.fence(c.execution().fence()))
            .setExecutor(c.execution().executor().name())
            .setIncarnation(c.execution().executor().incarnation())
            .setClient(c.execution().client())
            .setEnvironment(environment(c.execution().environment()))
            .setStarted(Wire.timestamp(c.execution().started()))
            .setFinished(Wire.timestamp(c.finished()))
            .setUsage(Wire.usage(c.ending().usage()));
    switch (c.ending().outputs()) {
      case SpackOutputs outputs -> b.setSpack(Wire.outputs(outputs));
      case ActionOutputs outputs -> b.setAction(outcome(outputs));
      case null -> {}
    }
    if (c.ending().failure() != null) {
      b.setFailure(Wire.failure(c.ending().failure()));
    }
    if (c.ending().log() != null) {
      b.setLog(Wire.digest(c.ending().log()));
    }
    return b.build();
  }

  static Change.ExecutionEnded execution(ExecutionRecord r) {
    return new Change.ExecutionEnded(
        new TaskKey(r.getInstanceName(), r.getHash()),
        new Execution(
            Wire.fence(r.getFence()),
            new ExecutorId(r.getExecutor(), r.getIncarnation()),
            r.getClient(),
            environment(r.getEnvironment()),
            Wire.instant(r.getStarted())),
        new Ending(
            outputs(r),
            r.hasFailure() ? Wire.failure(r.getFailure()) : null,
            r.hasLog() ? Wire.digest(r.getLog()) : null,
            Wire.usage(r.getUsage())),
        Wire.instant(r.getFinished()));
  }

  static FailureRecord failure(RememberedFailure f) {
    FailureRecord.Builder b =
        FailureRecord.newBuilder()
            .setInstanceName(f.key().instance())
            .setHash(f.key().hash())
            .setInputs(Wire.inputs(f.inputs()))
            .setExecutorClass(f.executorClass())
            .setFailure(Wire.failure(f.failure()))
            .setExecution(f.execution())
            .setExpires(Wire.timestamp(f.expires()));
    if (f.log() != null) {
      b.setLog(Wire.digest(f.log()));
    }
    return b.build();
  }

  static RememberedFailure failure(FailureRecord r) {
    return new RememberedFailure(
        new TaskKey(r.getInstanceName(), r.getHash()),
        Wire.inputs(r.getInputs()),
        r.getExecutorClass(),
        Wire.failure(r.getFailure()),
        r.hasLog() ? Wire.digest(r.getLog()) : null,
        r.getExecution(),
        Wire.instant(r.getExpires()));
  }
}
