package build.thresher.executor.spack;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.TreeFormatException;
import build.thresher.executor.inputs.ArchiveException;
import build.thresher.executor.inputs.BuiltPrefix;
import build.thresher.executor.inputs.PrefixCache;
import build.thresher.executor.inputs.SourceCache;
import build.thresher.executor.inputs.SourceUnavailableException;
import build.thresher.executor.inputs.TreeCache;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.executor.outputs.OutputException;
import build.thresher.executor.outputs.Patience;
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
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Builds one node: puts its inputs in place, runs the client's own Spack on it in the sandbox,
 * uploads what it pushed. Every end is an outcome; only interruption is thrown. Nothing of a recipe
 * is read or run outside the sandbox. Thread-safe; a build blocks its thread.
 */
public final class SpackBuilder {
  private static final Logger log = LoggerFactory.getLogger(SpackBuilder.class);

  private final BlobStore store;
  private final TreeCache trees;
  private final PrefixCache prefixes;
  private final SourceCache sources;
  private final Sandbox sandbox;
  private final CoreBytecode bytecode;
  private final SpackOptions options;

  public SpackBuilder(
      BlobStore store,
      TreeCache trees,
      PrefixCache prefixes,
      SourceCache sources,
      Sandbox sandbox,
      SpackOptions options) {
    this.store = store;
    this.trees = trees;
    this.prefixes = prefixes;
    this.sources = sources;
    this.sandbox = sandbox;
    this.bytecode = new CoreBytecode(sandbox, options.python());
    this.options = options;
  }

  /** An outcome and what it took. */
  public record Report(BuildOutcome outcome, SandboxResult.Usage usage) {}

  /** Builds the node of a task. The log is the caller's to keep and to close. */
  public Report build(
      SpackTask task, BuildSlot slot, BuildLog output, KillSwitch kill, Consumer<String> phase)
      throws InterruptedException {
    Scope scope = Scope.farm(task.instance());
    phase.accept("fetching inputs");
    try (PreparedBuild build =
        Patience.whileUnavailable(
            kill,
            () ->
                PreparedBuild.prepare(
                    scope, task, slot, options, store, trees, prefixes, sources, bytecode, kill))) {
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
                output.append(buffer, count);
                phases.accept(buffer, count);
              },
              kill);
      Optional<BuildOutcome> failure = failure(task, build, result, spec, output);
      if (failure.isPresent()) {
        return new Report(failure.get(), result.usage());
      }
      phase.accept("uploading");
      return new Report(
          new Built(Patience.whileUnavailable(kill, () -> upload(task, slot))), result.usage());
    } catch (SourceUnavailableException e) {
      return none(new Failed(FailureKind.SOURCE, sentence(e)));
    } catch (RefusedInputException | ArchiveException | TreeFormatException e) {
      return none(new Failed(FailureKind.INPUT, sentence(e)));
    } catch (BlobNotFoundException e) {
      return none(missing(scope, task, e.digest()));
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

  /** Names all that is missing, not only what was found first, so that one repair is enough. */
  private Failed missing(Scope scope, SpackTask task, Digest found) {
    Set<Digest> missing = new LinkedHashSet<>();
    missing.add(found);
    try {
      missing.addAll(store.findMissing(scope, task.blobs()));
    } catch (IOException e) {
      log.warn("{}: the store cannot say what else is missing: {}", task.hash(), e.toString());
    }
    // What the farm itself made, it can make again; the rest is the client's to bring.
    boolean ours =
        task.prefixes().stream()
            .map(BuiltPrefix::archive)
            .collect(Collectors.toSet())
            .containsAll(missing);
    return new Failed(
        ours ? FailureKind.INFRASTRUCTURE : FailureKind.INPUT,
        missing.size()
            + " inputs are missing in the store, for example "
            + found
            + (ours ? "" : "; submit the request again"),
        missing);
  }

  private static String sentence(IOException failure) {
    return String.valueOf(failure.getMessage());
  }

  private static Report none(BuildOutcome outcome) {
    return new Report(outcome, SandboxResult.Usage.NONE);
  }

  /** Empty when the build says that it has pushed its result. */
  private static Optional<BuildOutcome> failure(
      SpackTask task, PreparedBuild build, SandboxResult result, SandboxSpec spec, BuildLog output)
      throws IOException {
    return switch (result.end()) {
      case EXITED -> exited(task, build.status(), result.exitCode(), output);
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
      case DISK_FULL ->
          failed(FailureKind.INFRASTRUCTURE, "the disk of the executor is nearly full");
      case PROCESS_LIMIT ->
          failed(
              FailureKind.INFRASTRUCTURE,
              "the build was refused more than "
                  + spec.limits().processes()
                  + " processes, the limit of this executor: "
                  + FailureSentence.of(output));
      case OUT_OF_MEMORY ->
          failed(
              FailureKind.OUT_OF_MEMORY,
              spec.limits().memoryBytes() > 0
                  ? "the build needs more memory than " + spec.limits().memoryBytes() + " bytes"
                  : "the executor ran out of memory");
    };
  }

  private static Optional<BuildOutcome> exited(
      SpackTask task, DriverStatus status, int exitCode, BuildLog output) throws IOException {
    return switch (status.word()) {
      case BUILT -> Optional.empty();
      case RECIPE -> ofTheRecipe(task, output);
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
                  + FailureSentence.of(output));
    };
  }

  /** Spack says that the build failed: which is not always the recipe's fault. */
  private static Optional<BuildOutcome> ofTheRecipe(SpackTask task, BuildLog output)
      throws IOException {
    if (FailureSentence.lacksSpace(output)) {
      return failed(
          FailureKind.INFRASTRUCTURE,
          "the disk of the executor, or the build's share of it, is full: "
              + FailureSentence.of(output));
    }
    if (FailureSentence.lacksProcesses(output)) {
      return failed(
          FailureKind.INFRASTRUCTURE,
          "the build had as many processes as this executor allows: " + FailureSentence.of(output));
    }
    if (FailureSentence.missesSources(output)) {
      return failed(
          FailureKind.INPUT,
          "Spack wants to fetch something that was not sent along as a source of "
              + task.name()
              + "; see the log");
    }
    return failed(FailureKind.RECIPE, FailureSentence.of(output));
  }

  private static Optional<BuildOutcome> failed(FailureKind kind, String message) {
    return Optional.of(new Failed(kind, message));
  }
}
