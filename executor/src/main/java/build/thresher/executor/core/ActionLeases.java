package build.thresher.executor.core;

import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.action.ActionExecution;
import build.thresher.executor.action.ActionReport;
import build.thresher.executor.action.ActionReport.Abandoned;
import build.thresher.executor.action.ActionReport.Failed;
import build.thresher.executor.action.ActionReport.Finished;
import build.thresher.executor.action.ActionRunner;
import build.thresher.executor.action.ActionSlot;
import build.thresher.executor.action.ActionTask;
import build.thresher.executor.core.RunningLease.Ending;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Fence;
import build.thresher.v1.LogStream;
import java.io.IOException;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs leases of actions from their inputs to their acknowledged end, with both outputs streamed to
 * the server meanwhile. Thread-safe; a lease blocks its thread.
 */
final class ActionLeases {
  private static final Logger log = LoggerFactory.getLogger(ActionLeases.class);

  private final Farm farm;
  private final Completion completion;
  private final ActionRunner runner;
  private final long logBytes;

  ActionLeases(Farm farm, Completion completion, ActionRunner runner, long logBytes) {
    this.farm = farm;
    this.completion = completion;
    this.runner = runner;
    this.logBytes = logBytes;
  }

  /**
   * @param directory of this lease alone, deleted by the caller
   * @param ended called when the command is over
   */
  void run(Work.ReapiAction work, RunningLease running, Path directory, Runnable ended)
      throws IOException, InterruptedException {
    ActionTask task;
    try {
      task = work.task();
    } catch (IllegalArgumentException e) {
      complete(
          running,
          ActionReport.failed(FailureClass.FAILURE_INPUT, String.valueOf(e.getMessage())),
          () -> {});
      return;
    }
    try (BuildLog stdout = new BuildLog(directory.resolve("stdout"), logBytes);
        BuildLog stderr = new BuildLog(directory.resolve("stderr"), logBytes);
        ActionExecution execution =
            runner.execution(
                task,
                new ActionSlot("action-" + directory.getFileName(), directory, stdout, stderr))) {
      complete(running, run(execution, running, stdout, stderr, ended), execution::uploadAgain);
    }
  }

  /** What an action had for itself, when it is over. */
  void clear(Path path) throws IOException {
    runner.clear(path);
  }

  /** Nothing is left in the directory of a lease. */
  void giveBack(Path directory) {
    runner.giveBack(directory);
  }

  private ActionReport run(
      ActionExecution execution,
      RunningLease running,
      BuildLog stdout,
      BuildLog stderr,
      Runnable ended)
      throws InterruptedException {
    Fence fence = running.fence();
    try (LogShipper out = new LogShipper(farm, fence, LogStream.LOG_STREAM_STDOUT, stdout);
        LogShipper errors = new LogShipper(farm, fence, LogStream.LOG_STREAM_STDERR, stderr)) {
      ActionReport report = execution.run(running.killSwitch(), running::phase, ended);
      out.finish();
      errors.finish();
      return report;
    }
  }

  private void complete(RunningLease running, ActionReport report, Completion.Uploader uploader)
      throws InterruptedException {
    CompleteRequest.Builder result =
        CompleteRequest.newBuilder().setFence(running.fence()).setUsage(Wire.usage(report.usage()));
    switch (report.outcome()) {
      case Finished finished -> result.setActionResult(finished.result());
      case Failed failed -> result.setFailure(failure(failed));
      case Abandoned() -> {
        if (running.ending() != Ending.STOPPED) {
          log.info("{} {}: killed", running.hash(), running.fence().getExecution());
          return;
        }
        result.setFailure(
            Failure.newBuilder()
                .setFailureClass(FailureClass.FAILURE_INFRASTRUCTURE)
                .setMessage("the executor was stopped while the action ran"));
      }
    }
    log.info(
        "{} {}: {} in {} ms",
        running.hash(),
        running.fence().getExecution(),
        describe(report.outcome()),
        report.usage().wall().toMillis());
    completion.send(running, result.build(), uploader);
  }

  private static Failure failure(Failed failed) {
    Failure.Builder failure =
        Failure.newBuilder().setFailureClass(failed.kind()).setMessage(failed.message());
    failed.missing().stream()
        .sorted(Digest::compareTo)
        .forEach(digest -> failure.addMissingBlobs(WireDigests.toWire(digest)));
    return failure.build();
  }

  private static String describe(ActionReport.Outcome outcome) {
    return switch (outcome) {
      case Finished finished -> "exit code " + finished.result().getExitCode();
      case Failed failed -> "failed (" + failed.kind() + "): " + failed.message();
      case Abandoned() -> "stopped";
    };
  }
}
