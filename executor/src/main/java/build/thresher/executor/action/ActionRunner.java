package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree.Content;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.action.ActionReport.Abandoned;
import build.thresher.executor.action.ActionReport.Failed;
import build.thresher.executor.action.ActionReport.Finished;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Sandbox;
import build.thresher.executor.sandbox.SandboxResult;
import build.thresher.v1.FailureClass;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Parser;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs one action: reads it from the store, puts its inputs in place, runs its command in the
 * sandbox, uploads what it made. Every end is an outcome; only interruption is thrown. Thread-safe;
 * an action blocks its thread.
 */
public final class ActionRunner implements Closeable {
  private static final Logger log = LoggerFactory.getLogger(ActionRunner.class);
  private static final long REMEMBERED_DIRECTORY_BYTES = 64 << 20;
  private static final int MAX_MESSAGE_BYTES = 16 << 20;
  private static final int NOT_FOUND = 127;
  private static final int NOT_EXECUTABLE = 126;

  private final String worker;
  private final BlobStore store;
  private final InputRoots roots;
  private final Sandbox sandbox;
  private final Owner owner;
  private final ActionOptions options;
  private final InstantSource clock;
  private final DirectoryMemory memory = new DirectoryMemory(REMEMBERED_DIRECTORY_BYTES);

  private ActionRunner(
      String worker,
      BlobStore store,
      InputRoots roots,
      Sandbox sandbox,
      Owner owner,
      ActionOptions options,
      InstantSource clock) {
    this.worker = worker;
    this.store = store;
    this.roots = roots;
    this.sandbox = sandbox;
    this.owner = owner;
    this.options = options;
    this.clock = clock;
  }

  /**
   * Opens the cache of inputs and finds out how input roots can be made here.
   *
   * @param worker the executor's name, for results
   * @param directory for the cache; kept between starts
   * @param owner whom actions run as
   */
  public static ActionRunner open(
      String worker,
      Path directory,
      BlobStore store,
      Sandbox sandbox,
      Owner owner,
      ActionOptions options,
      InstantSource clock)
      throws IOException {
    FileTrees.createReadable(directory);
    ContentCache cache =
        new ContentCache(
            directory.resolve("files"), options.cacheBytes(), new FileFetcher(store, owner));
    InputRoots roots = roots(directory, cache, owner);
    log.info("actions: {}", roots.describe());
    return new ActionRunner(worker, store, roots, sandbox, owner, options, clock);
  }

  private static InputRoots roots(Path directory, ContentCache cache, Owner owner)
      throws IOException {
    if (owner.uid() < 0) {
      return new CopiedRoots(cache, owner, directory, "overlays need an executor that is root");
    }
    Kernel kernel = new Kernel();
    Path scratch = directory.resolve("probe");
    FileTrees.delete(scratch);
    FileTrees.createReadable(scratch);
    try {
      OverlayRoots.probe(kernel, scratch);
    } catch (IOException e) {
      return new CopiedRoots(cache, owner, directory, String.valueOf(e.getMessage()));
    }
    return new OverlayRoots(
        kernel, new RootLayers(directory.resolve("roots"), cache, kernel, owner), owner);
  }

  /** Runs the action of a task. The slot is the caller's to clean. */
  public ActionReport run(ActionTask task, ActionSlot slot, KillSwitch kill, Consumer<String> phase)
      throws InterruptedException {
    Times times = new Times(clock, worker, task);
    try {
      return run(task, slot, kill, phase, times);
    } catch (MissingInputsException e) {
      return new ActionReport(
          new Failed(FailureClass.FAILURE_INPUT, sentence(e), e.missing()),
          SandboxResult.Usage.NONE);
    } catch (RefusedActionException e) {
      return ActionReport.failed(FailureClass.FAILURE_INPUT, sentence(e));
    } catch (IOException e) {
      return kill.isKilled()
          ? new ActionReport(new Abandoned(), SandboxResult.Usage.NONE)
          : ActionReport.failed(FailureClass.FAILURE_INFRASTRUCTURE, "on the executor: " + e);
    }
  }

  private ActionReport run(
      ActionTask task, ActionSlot slot, KillSwitch kill, Consumer<String> phase, Times times)
      throws IOException, InterruptedException {
    Scope scope = Scope.farm(task.instance());
    phase.accept("fetching inputs");
    times.fetching();
    Action action = read(scope, task.action(), Action.parser(), "Action");
    ActionCommand command =
        ActionCommand.of(
            read(scope, digest(action.getCommandDigest()), Command.parser(), "Command"));
    Digest inputs = digest(action.getInputRootDigest());
    FileTrees.createReadable(slot.own());
    try (InputRoots.InputRoot root =
        roots.prepare(
            scope, inputs, () -> InputTree.load(store, scope, inputs, memory), slot.own())) {
      ActionSandbox prepared =
          ActionSandbox.prepare(task, command, root.path(), slot, owner, options);
      if (kill.isKilled()) {
        return new ActionReport(new Abandoned(), SandboxResult.Usage.NONE);
      }
      phase.accept("running");
      times.running();
      SandboxResult result =
          sandbox.run(prepared.spec(), slot.stdout()::append, slot.stderr()::append, kill);
      phase.accept("uploading");
      times.uploading();
      return switch (result.end()) {
        case EXITED -> {
          Outputs outputs = new Outputs(root.path(), command);
          yield exited(scope, slot, result, outputs, times);
        }
        case KILLED -> new ActionReport(new Abandoned(), result.usage());
        case TIMEOUT ->
            failed(
                FailureClass.FAILURE_TIMEOUT,
                "the action took longer than " + seconds(prepared.wall()),
                result);
        case DISK_LIMIT ->
            failed(
                FailureClass.FAILURE_INPUT,
                "the action wrote more than "
                    + options.diskBytes()
                    + " bytes or "
                    + options.files()
                    + " files, the limit of this executor",
                result);
        case OUT_OF_MEMORY ->
            failed(
                FailureClass.FAILURE_OUT_OF_MEMORY,
                prepared.memoryBytes() > 0
                    ? "the action needs more memory than " + prepared.memoryBytes() + " bytes"
                    : "the executor ran out of memory",
                result);
      };
    }
  }

  private ActionReport exited(
      Scope scope, ActionSlot slot, SandboxResult result, Outputs outputs, Times times)
      throws IOException {
    int exitCode = result.exitCode();
    if (!result.started()) {
      String said =
          new String(slot.stderr().read(0, 1000), java.nio.charset.StandardCharsets.UTF_8);
      if (!said.startsWith("bwrap: execvp ")) {
        return failed(
            FailureClass.FAILURE_INFRASTRUCTURE, "the sandbox did not start: " + said, result);
      }
      exitCode = said.contains("Permission denied") ? NOT_EXECUTABLE : NOT_FOUND;
    }
    ActionResult.Builder actionResult = ActionResult.newBuilder().setExitCode(exitCode);
    outputs.collect(actionResult);
    Map<Digest, Content> contents = outputs.contents();
    actionResult.setStdoutRaw(inline(slot.stdout()));
    if (actionResult.getStdoutRaw().isEmpty() && slot.stdout().length() > 0) {
      actionResult.setStdoutDigest(WireDigests.toWire(add(slot.stdout(), contents)));
    }
    actionResult.setStderrRaw(inline(slot.stderr()));
    if (actionResult.getStderrRaw().isEmpty() && slot.stderr().length() > 0) {
      actionResult.setStderrDigest(WireDigests.toWire(add(slot.stderr(), contents)));
    }
    new TreeUploader(store, scope).upload(contents);
    actionResult.setExecutionMetadata(times.completed());
    return new ActionReport(new Finished(actionResult.build()), result.usage());
  }

  private ByteString inline(BuildLog output) throws IOException {
    return output.length() <= options.inlineBytes()
        ? ByteString.copyFrom(output.read(0, options.inlineBytes()))
        : ByteString.EMPTY;
  }

  private static Digest add(BuildLog output, Map<Digest, Content> contents) throws IOException {
    return new NodeReader(false, false, contents).file(output.path());
  }

  private <T> T read(Scope scope, Digest digest, Parser<T> parser, String what) throws IOException {
    if (digest.sizeBytes() > MAX_MESSAGE_BYTES) {
      throw new RefusedActionException("the " + what + " " + digest + " is too large to be one");
    }
    try {
      return parser.parseFrom(store.readAll(scope, digest));
    } catch (BlobNotFoundException e) {
      throw new MissingInputsException(Set.of(digest));
    } catch (InvalidProtocolBufferException e) {
      throw new RefusedActionException("the blob " + digest + " is no " + what);
    }
  }

  private static Digest digest(build.bazel.remote.execution.v2.Digest wire)
      throws RefusedActionException {
    return InputTree.digest(wire);
  }

  private static ActionReport failed(FailureClass kind, String message, SandboxResult result) {
    return new ActionReport(new Failed(kind, message, Set.of()), result.usage());
  }

  private static String seconds(Duration duration) {
    return duration.toMillis() / 1000.0 + " s";
  }

  private static String sentence(IOException failure) {
    return String.valueOf(failure.getMessage());
  }

  @Override
  public void close() throws IOException {
    roots.close();
  }
}
