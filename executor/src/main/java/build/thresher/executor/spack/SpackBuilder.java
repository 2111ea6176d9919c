package build.thresher.executor.spack;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.TreeFormatException;
import build.thresher.executor.inputs.ArchiveException;
import build.thresher.executor.inputs.PrefixCache;
import build.thresher.executor.inputs.SourceMirror;
import build.thresher.executor.inputs.SourceUnavailableException;
import build.thresher.executor.inputs.TreeCache;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.executor.outputs.OutputException;
import build.thresher.executor.outputs.PushedMirror;
import build.thresher.executor.outputs.PushedSpec;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Sandbox;
import build.thresher.executor.sandbox.SandboxResult;
import build.thresher.executor.sandbox.SandboxSpec;
import build.thresher.executor.spack.BuildOutcome.Abandoned;
import build.thresher.executor.spack.BuildOutcome.Built;
import build.thresher.executor.spack.BuildOutcome.Failed;
import build.thresher.executor.spack.BuildOutcome.FailureKind;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Builds one node: puts its inputs in place, runs the client's own Spack on it in the sandbox,
 * uploads what it pushed. Every end is an outcome; only interruption is thrown. Nothing of a recipe
 * is read or run outside the sandbox. Thread-safe; a build blocks its thread.
 */
public final class SpackBuilder {
  private final BlobStore store;
  private final TreeCache trees;
  private final PrefixCache prefixes;
  private final SourceMirror sources;
  private final Sandbox sandbox;
  private final SpackOptions options;

  public SpackBuilder(
      BlobStore store,
      TreeCache trees,
      PrefixCache prefixes,
      SourceMirror sources,
      Sandbox sandbox,
      SpackOptions options) {
    this.store = store;
    this.trees = trees;
    this.prefixes = prefixes;
    this.sources = sources;
    this.sandbox = sandbox;
    this.options = options;
  }

  /** An outcome and what it took. */
  public record Report(BuildOutcome outcome, SandboxResult.Usage usage) {}

  /** Builds the node of a task. The log is the caller's to keep and to close. */
  public Report build(
      SpackTask task, BuildSlot slot, BuildLog log, KillSwitch kill, Consumer<String> phase)
      throws InterruptedException {
    Scope scope = Scope.farm(task.instance());
    phase.accept("fetching inputs");
    try (PreparedBuild build =
        PreparedBuild.prepare(scope, task, slot, options, store, trees, prefixes, sources)) {
      if (kill.isKilled()) {
        return none(new Abandoned());
      }
      phase.accept("starting");
      SandboxSpec spec = build.sandboxSpec();
      PhaseReader phases = new PhaseReader(phase);
      SandboxResult result =
          sandbox.run(
              spec,
              (buffer, count) -> {
                log.append(buffer, count);
                phases.accept(buffer, count);
              },
              kill);
      Optional<BuildOutcome> failure = failure(task, build, result, spec, log);
      if (failure.isPresent()) {
        return new Report(failure.get(), result.usage());
      }
      phase.accept("uploading");
      return new Report(new Built(upload(task, slot)), result.usage());
    } catch (SourceUnavailableException e) {
      return none(new Failed(FailureKind.SOURCE, sentence(e)));
    } catch (RefusedInputException | ArchiveException | TreeFormatException e) {
      return none(new Failed(FailureKind.INPUT, sentence(e)));
    } catch (BlobNotFoundException e) {
      return none(
          new Failed(
              FailureKind.INFRASTRUCTURE,
              "an input is missing in the store: " + e.digest() + "; submit the request again"));
    } catch (OutputException e) {
      return none(new Failed(FailureKind.INFRASTRUCTURE, sentence(e)));
    } catch (IOException e) {
      return none(
          kill.isKilled()
              ? new Abandoned()
              : new Failed(FailureKind.INFRASTRUCTURE, "on the executor: " + e));
    }
  }

  /** Uploads what a finished build pushed; again, when the store has lost it meanwhile. */
  public PushedSpec upload(SpackTask task, BuildSlot slot) throws IOException {
    return new PushedMirror(PreparedBuild.pushed(slot))
        .upload(task.hash(), store, Scope.farm(task.instance()));
  }

  private static String sentence(IOException failure) {
    return String.valueOf(failure.getMessage());
  }

  private static Report none(BuildOutcome outcome) {
    return new Report(outcome, SandboxResult.Usage.NONE);
  }

  /** Empty when the build says that it has pushed its result. */
  private static Optional<BuildOutcome> failure(
      SpackTask task, PreparedBuild build, SandboxResult result, SandboxSpec spec, BuildLog log)
      throws IOException {
    return switch (result.end()) {
      case EXITED -> exited(task, build.status(), result.exitCode(), log);
      case KILLED -> Optional.of(new Abandoned());
      case TIMEOUT ->
          failed(
              FailureKind.TIMEOUT,
              "the build took longer than " + spec.limits().wall().toSeconds() + " s");
      case DISK_LIMIT ->
          failed(
              FailureKind.INFRASTRUCTURE,
              "the build took more than "
                  + spec.limits().diskBytes()
                  + " bytes or "
                  + spec.limits().files()
                  + " files of disk, the limit of this executor");
      case OUT_OF_MEMORY ->
          failed(
              FailureKind.OUT_OF_MEMORY,
              spec.limits().memoryBytes() > 0
                  ? "the build needs more memory than " + spec.limits().memoryBytes() + " bytes"
                  : "the executor ran out of memory");
    };
  }

  private static Optional<BuildOutcome> exited(
      SpackTask task, DriverStatus status, int exitCode, BuildLog log) throws IOException {
    return switch (status.word()) {
      case BUILT -> Optional.empty();
      case RECIPE ->
          FailureSentence.missesSources(log)
              ? failed(
                  FailureKind.INPUT,
                  "Spack wants to fetch something that was not sent along as a source of "
                      + task.name()
                      + "; see the log")
              : failed(FailureKind.RECIPE, FailureSentence.of(log));
      case INPUT -> failed(FailureKind.INPUT, status.sentence());
      case INFRASTRUCTURE -> failed(FailureKind.INFRASTRUCTURE, status.sentence());
      case STARTED ->
          failed(
              FailureKind.INFRASTRUCTURE,
              "Spack ended with code " + exitCode + " before it could say why; see the log");
      case NONE ->
          failed(
              FailureKind.INFRASTRUCTURE,
              "the sandbox or Spack did not start (code "
                  + exitCode
                  + "): "
                  + FailureSentence.of(log));
    };
  }

  private static Optional<BuildOutcome> failed(FailureKind kind, String message) {
    return Optional.of(new Failed(kind, message));
  }
}
