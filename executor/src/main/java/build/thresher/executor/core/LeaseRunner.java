package build.thresher.executor.core;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.core.RunningLease.Ending;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.outputs.BlobFiles;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.executor.outputs.Patience;
import build.thresher.executor.sandbox.SandboxResult;
import build.thresher.executor.spack.BuildOutcome;
import build.thresher.executor.spack.BuildOutcome.Abandoned;
import build.thresher.executor.spack.BuildOutcome.Built;
import build.thresher.executor.spack.BuildOutcome.Failed;
import build.thresher.executor.spack.BuildOutcome.FailureKind;
import build.thresher.executor.spack.BuildSlot;
import build.thresher.executor.spack.SpackBuilder;
import build.thresher.executor.spack.SpackTask;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.Failure;
import build.thresher.v1.Lease;
import build.thresher.v1.LogStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs one lease from its inputs to its acknowledged end, in a directory of its own that is gone
 * afterwards. Thread-safe; a lease blocks its thread.
 */
final class LeaseRunner {
  private static final Logger log = LoggerFactory.getLogger(LeaseRunner.class);

  private final Farm farm;
  private final Completion completion;
  private final SpackBuilder builder;
  private final ActionLeases actions;
  private final BlobStore store;
  private final WorkDirectory work;
  private final long logBytes;

  LeaseRunner(
      Farm farm,
      Completion completion,
      SpackBuilder builder,
      ActionLeases actions,
      BlobStore store,
      WorkDirectory work,
      long logBytes) {
    this.farm = farm;
    this.completion = completion;
    this.builder = builder;
    this.actions = actions;
    this.store = store;
    this.work = work;
    this.logBytes = logBytes;
  }

  /**
   * @param uid host user of the build; negative: the executor's own
   * @param ended called once, or never, when nothing runs any more but the result is still to be
   *     reported: another lease, of whichever user, does not get in the way
   */
  void run(Lease lease, Work leased, RunningLease running, int uid, Runnable ended)
      throws InterruptedException {
    Path directory = null;
    try {
      switch (leased) {
        case Work.SpackNode node -> {
          directory = work.newBuild();
          Path own = FileTrees.createReadable(directory.resolve("build"));
          try (BuildLog buildLog = new BuildLog(directory.resolve("log"), logBytes)) {
            build(lease, running, new BuildSlot(own, uid), buildLog);
          }
        }
        case Work.ReapiAction action -> {
          directory = work.newAction();
          actions.run(action, running, directory, ended);
        }
        case Work.Unknown unknown ->
            throw new IOException(
                "the lease asks for work of a kind that this executor does not know; use a newer"
                    + " executor");
      }
    } catch (IOException e) {
      log.warn("{} {}: {}", running.hash(), lease.getFence().getExecution(), e.toString());
      CompleteRequest.Builder result = CompleteRequest.newBuilder().setFence(lease.getFence());
      result.setFailure(farmsFault("on the executor: " + e));
      completion.send(running, result.build(), () -> {});
    } finally {
      giveBack(directory);
    }
  }

  private void build(Lease lease, RunningLease running, BuildSlot slot, BuildLog buildLog)
      throws IOException, InterruptedException {
    Optional<SpackTask> task = Optional.empty();
    SpackBuilder.Report report;
    try (LogShipper shipper =
        new LogShipper(farm, lease.getFence(), LogStream.LOG_STREAM_BUILD, buildLog)) {
      try {
        task = Optional.of(Wire.task(lease));
        report = builder.build(task.get(), slot, buildLog, running.killSwitch(), running::phase);
      } catch (IllegalArgumentException e) {
        report = refused(e);
      }
      if (report.outcome() instanceof Failed failed) {
        buildLog.line("==> Error: farm: " + failed.message());
      }
      shipper.finish();
    }
    CompleteRequest.Builder result =
        CompleteRequest.newBuilder()
            .setFence(lease.getFence())
            .setUsage(Wire.usage(report.usage()));
    switch (report.outcome()) {
      case Built built -> result.setSpackBuild(Wire.result(built.pushed()));
      case Failed failed -> result.setFailure(Wire.failure(failed));
      case Abandoned() -> {
        if (running.ending() != Ending.STOPPED) {
          log.info("{} {}: killed", running.hash(), lease.getFence().getExecution());
          return;
        }
        result.setFailure(farmsFault("the executor was stopped during the build"));
      }
    }
    Scope scope = Scope.farm(lease.getInstanceName());
    uploadLog(scope, running, buildLog).ifPresent(d -> result.setLog(WireDigests.toWire(d)));
    log.info(
        "{} {}: {} in {} s",
        running.hash(),
        lease.getFence().getExecution(),
        describe(report.outcome()),
        report.usage().wall().toSeconds());
    Optional<SpackTask> built = task;
    completion.send(
        running,
        result.build(),
        () -> {
          new BlobFiles(store, scope).upload(buildLog.path());
          if (result.hasSpackBuild() && built.isPresent()) {
            builder.upload(built.get(), slot);
          }
        });
  }

  private static SpackBuilder.Report refused(IllegalArgumentException e) {
    return new SpackBuilder.Report(
        new Failed(FailureKind.INPUT, String.valueOf(e.getMessage())), SandboxResult.Usage.NONE);
  }

  /** A result without its log is better than none. */
  private Optional<Digest> uploadLog(Scope scope, RunningLease running, BuildLog buildLog)
      throws InterruptedException {
    try {
      BlobFiles files = new BlobFiles(store, scope);
      return Optional.of(
          Patience.whileUnavailable(running.killSwitch(), () -> files.upload(buildLog.path())));
    } catch (IOException e) {
      log.warn("{}: the log cannot be uploaded: {}", running.hash(), e.toString());
      return Optional.empty();
    }
  }

  private static Failure farmsFault(String message) {
    return Wire.failure(new Failed(FailureKind.INFRASTRUCTURE, message));
  }

  private static String describe(BuildOutcome outcome) {
    return switch (outcome) {
      case Built built -> "built, archive " + built.pushed().archive();
      case Failed failed -> "failed (" + failed.kind() + "): " + failed.message();
      case Abandoned() -> "stopped";
    };
  }

  private void giveBack(@Nullable Path directory) {
    if (directory == null) {
      return;
    }
    try {
      work.giveBack(directory, actions::clear);
    } catch (IOException e) {
      log.warn("{} cannot be cleared: {}", directory, e.toString());
    } finally {
      actions.giveBack(directory);
    }
  }
}
