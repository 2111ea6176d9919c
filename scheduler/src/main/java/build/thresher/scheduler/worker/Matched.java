package build.thresher.scheduler.worker;

import build.bazel.remote.execution.v2.ActionResult;
import build.thresher.cas.api.Digest;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Capabilities;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.SpackOutputs;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.core.Usage;
import build.thresher.scheduler.logs.LogStream;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.CompleteRequest;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;

/** What executors send, checked and cut to size. */
final class Matched {
  private static final int MAX_TEXT = 4000;
  private static final int MAX_MISSING = 1000;

  private Matched() {}

  static Capabilities capabilities(build.thresher.v1.Capabilities c) {
    return new Capabilities(
        c.getPlatform(),
        c.getOperatingSystem(),
        c.getTarget(),
        ImmutableSet.copyOf(c.getCompatibleTargetsList()),
        c.getExternalsList().stream()
            .map(
                e ->
                    new Capabilities.Offer(
                        e.getName(), e.getVersion(), e.getPath(), e.getFingerprint()))
            .collect(ImmutableList.toImmutableList()),
        ImmutableMap.copyOf(c.getLabelsMap()),
        c.getSandbox(),
        c.getMemoryBytes(),
        c.getCpus(),
        ImmutableSet.copyOf(Wire.platform(c.getPropertiesList())),
        ImmutableSet.copyOf(c.getFeaturesList()));
  }

  /**
   * @throws IllegalArgumentException when it is neither a success nor a failure, or names blobs
   *     wrongly
   */
  static Ending ending(CompleteRequest request) {
    Digest log = request.hasLog() ? Wire.digest(request.getLog()) : null;
    Usage usage = Wire.usage(request.getUsage());
    return switch (request.getOutcomeCase()) {
      case SPACK_BUILD -> Ending.success(Wire.outputs(request.getSpackBuild()), log, usage);
      case ACTION_RESULT -> {
        ActionResult result = Measurements.addedTo(request);
        yield Ending.success(
            new ActionOutputs(result.toByteArray(), result.getExitCode()), log, usage);
      }
      case FAILURE -> {
        Failure failure = Wire.failure(request.getFailure());
        if (failure.failureClass() == FailureClass.UNSCHEDULABLE) {
          throw new IllegalArgumentException("only the scheduler says FAILURE_UNSCHEDULABLE");
        }
        yield Ending.failure(
            new Failure(
                failure.failureClass(),
                text(failure.message()),
                false,
                failure.missingBlobs().stream()
                    .limit(MAX_MISSING)
                    .collect(ImmutableList.toImmutableList())),
            log,
            usage);
      }
      case OUTCOME_NOT_SET ->
          throw new IllegalArgumentException(
              "an execution ends with spack_build, action_result or failure");
    };
  }

  /**
   * Checks that the end is one that the work can have.
   *
   * @throws IllegalArgumentException when a build ended with the result of an action, or the other
   *     way round
   */
  static void checkKind(Definition task, Ending ending) {
    boolean fits =
        switch (ending.outputs()) {
          case SpackOutputs outputs -> task.work() instanceof SpackWork;
          case ActionOutputs outputs -> task.work() instanceof ActionWork;
          case null -> true;
        };
    if (!fits) {
      throw new IllegalArgumentException(
          "the execution of " + task.key() + " cannot end with the result of another kind of work");
    }
  }

  static LogStream stream(build.thresher.v1.LogStream stream) {
    return switch (stream) {
      case LOG_STREAM_BUILD -> LogStream.BUILD;
      case LOG_STREAM_STDOUT -> LogStream.STDOUT;
      case LOG_STREAM_STDERR -> LogStream.STDERR;
      case UNRECOGNIZED -> throw new IllegalArgumentException("no such log stream");
    };
  }

  /** For people: no longer than they read, and on one line of a log. */
  static String text(String text) {
    String cut = text.length() <= MAX_TEXT ? text : text.substring(0, MAX_TEXT) + "…";
    return cut.chars()
        .map(c -> Character.isISOControl(c) && c != '\n' && c != '\t' ? ' ' : c)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }
}
