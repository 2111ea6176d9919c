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
import build.thresher.executor.images.ImageException;
import build.thresher.executor.images.Images;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.inputs.ImageCache;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.executor.outputs.Patience;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Sandbox;
import build.thresher.executor.sandbox.SandboxResult;
import build.thresher.v1.FailureClass;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Parser;
import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * One action: reads it from the store, puts its inputs in place, runs its command in the sandbox,
 * uploads what it made. Its root stays until it is closed, so that outputs can be uploaded again.
 * Every end is an outcome; only interruption is thrown. Used by one thread, which it blocks.
 */
public final class ActionExecution implements Closeable {
  private static final int MAX_MESSAGE_BYTES = 16 << 20;
  private static final int NOT_FOUND = 127;
  private static final int NOT_EXECUTABLE = 126;

  private final Surroundings here;
  private final ActionTask task;
  private final ActionSlot slot;
  private final Scope scope;
  private final Times times;
  private Optional<InputRoots.InputRoot> root = Optional.empty();
  private Optional<ImageCache.Root> image = Optional.empty();
  private Map<Digest, Content> uploaded = Map.of();

  /**
   * What all actions of an executor share.
   *
   * @param worker the executor's name, for results
   * @param owners whom actions run as
   * @param directories of theirs, for each action
   */
  record Surroundings(
      String worker,
      BlobStore store,
      InputRoots roots,
      DirectoryMemory memory,
      Sandbox sandbox,
      Owners owners,
      UntouchedDirectories directories,
      Images images,
      ActionOptions options,
      InstantSource clock) {}

  ActionExecution(Surroundings here, ActionTask task, ActionSlot slot) {
    this.here = here;
    this.task = task;
    this.slot = slot;
    this.scope = Scope.farm(task.instance());
    this.times = new Times(here.clock(), here.worker(), task);
  }

  /**
   * Runs the action to its end. Called once.
   *
   * @param ended called when no process of the action is left, while its outputs are still to be
   *     uploaded
   */
  public ActionReport run(KillSwitch kill, Consumer<String> phase, Runnable ended)
      throws InterruptedException {
    try {
      phase.accept("fetching inputs");
      times.fetching();
      Prepared prepared = Patience.whileUnavailable(kill, () -> prepare(phase));
      if (kill.isKilled()) {
        return new ActionReport(new Abandoned(), SandboxResult.Usage.NONE);
      }
      phase.accept("running");
      times.running();
      SandboxResult result =
          here.sandbox()
              .run(prepared.sandbox().spec(), slot.stdout()::append, slot.stderr()::append, kill);
      phase.accept("uploading");
      ended.run();
      times.uploading();
      return ended(prepared.command(), prepared.sandbox(), result, kill);
    } catch (MissingInputsException e) {
      return new ActionReport(
          new Failed(FailureClass.FAILURE_INPUT, sentence(e), e.missing()),
          SandboxResult.Usage.NONE);
    } catch (RefusedActionException | ImageException e) {
      return ActionReport.failed(FailureClass.FAILURE_INPUT, sentence(e));
    } catch (IOException e) {
      return kill.isKilled()
          ? new ActionReport(new Abandoned(), SandboxResult.Usage.NONE)
          : ActionReport.failed(FailureClass.FAILURE_INFRASTRUCTURE, "on the executor: " + e);
    }
  }

  /** Where images are configured not to matter, the property is only for finding an executor. */
  private void acquireImage(Consumer<String> phase) throws IOException, InterruptedException {
    Optional<String> name = task.properties().first(ActionSandbox.IMAGE);
    if (image.isEmpty()
        && name.isPresent()
        && !PlatformProperties.names(here.options().properties(), ActionSandbox.IMAGE)) {
      phase.accept("fetching the image");
      image = Optional.of(here.images().acquire(scope, name.get()));
    }
  }

  private record Prepared(ActionCommand command, ActionSandbox sandbox) {}

  /** May be called again after it failed. */
  private Prepared prepare(Consumer<String> phase) throws IOException, InterruptedException {
    Action action = read(task.action(), Action.parser(), "Action");
    ActionCommand command =
        ActionCommand.of(read(digest(action.getCommandDigest()), Command.parser(), "Command"));
    acquireImage(phase);
    return new Prepared(command, prepare(command, digest(action.getInputRootDigest())));
  }

  private ActionSandbox prepare(ActionCommand command, Digest inputs) throws IOException {
    FileTrees.createReadable(slot.own());
    Owner owner = here.owners().take(slot.directory());
    InputRoots.InputRoot made =
        here.roots()
            .prepare(
                scope,
                inputs,
                () -> InputTree.load(here.store(), scope, inputs, here.memory()),
                slot.own(),
                owner);
    root = Optional.of(made);
    return ActionSandbox.prepare(
        task,
        command,
        made.path(),
        image.map(ImageCache.Root::path),
        here.directories().take(slot.own().resolve("tmp"), owner),
        slot,
        owner,
        here.options());
  }

  private ActionReport ended(
      ActionCommand command, ActionSandbox prepared, SandboxResult result, KillSwitch kill)
      throws IOException, InterruptedException {
    return switch (result.end()) {
      case EXITED -> exited(command, result, kill);
      case KILLED -> new ActionReport(new Abandoned(), result.usage());
      case TIMEOUT ->
          failed(
              FailureClass.FAILURE_TIMEOUT,
              "the action took longer than "
                  + prepared.spec().limits().wall().toMillis() / 1000.0
                  + " s",
              result);
      case DISK_LIMIT ->
          failed(
              FailureClass.FAILURE_INPUT,
              "the action wrote more than "
                  + here.options().diskBytes()
                  + " bytes or "
                  + here.options().files()
                  + " files, the limit of this executor",
              result);
      case DISK_FULL ->
          failed(
              FailureClass.FAILURE_INFRASTRUCTURE,
              "the disk of the executor is nearly full",
              result);
      case PROCESS_LIMIT ->
          failed(
              FailureClass.FAILURE_INFRASTRUCTURE,
              "the action was refused a process: it had as many as this executor allows",
              result);
      case OUT_OF_MEMORY ->
          failed(
              FailureClass.FAILURE_OUT_OF_MEMORY,
              prepared.spec().limits().memoryBytes() > 0
                  ? "the action needs more memory than "
                      + prepared.spec().limits().memoryBytes()
                      + " bytes"
                  : "the executor ran out of memory",
              result);
    };
  }

  private ActionReport exited(ActionCommand command, SandboxResult result, KillSwitch kill)
      throws IOException, InterruptedException {
    int exitCode = result.exitCode();
    if (!result.started()) {
      String said = new String(slot.stderr().read(0, 1000), StandardCharsets.UTF_8);
      if (!said.startsWith("bwrap: execvp ")) {
        return failed(
            FailureClass.FAILURE_INFRASTRUCTURE, "the sandbox did not start: " + said, result);
      }
      exitCode = said.contains("Permission denied") ? NOT_EXECUTABLE : NOT_FOUND;
    }
    ActionResult.Builder actionResult = ActionResult.newBuilder().setExitCode(exitCode);
    Outputs outputs = new Outputs(root.orElseThrow().path(), command);
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
    uploaded = contents;
    if (!uploaded.isEmpty()) {
      Patience.whileUnavailable(kill, this::upload);
    }
    actionResult.setExecutionMetadata(times.completed());
    return new ActionReport(new Finished(actionResult.build()), result.usage());
  }

  /** Uploads what the result names, as far as the store does not have it. */
  public void uploadAgain() throws IOException {
    upload();
  }

  private TreeUploader.Uploaded upload() throws IOException {
    return new TreeUploader(here.store(), scope).upload(uploaded);
  }

  private ByteString inline(BuildLog output) throws IOException {
    return output.length() <= here.options().inlineBytes()
        ? ByteString.copyFrom(output.read(0, here.options().inlineBytes()))
        : ByteString.EMPTY;
  }

  private static Digest add(BuildLog output, Map<Digest, Content> contents) throws IOException {
    return new NodeReader(false, false, contents).file(output.path());
  }

  private <T> T read(Digest digest, Parser<T> parser, String what) throws IOException {
    if (digest.sizeBytes() > MAX_MESSAGE_BYTES) {
      throw new RefusedActionException("the " + what + " " + digest + " is too large to be one");
    }
    ByteString known = task.messages().get(digest);
    try {
      return known == null
          ? parser.parseFrom(here.store().readAll(scope, digest))
          : parser.parseFrom(known);
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

  private static String sentence(IOException failure) {
    return String.valueOf(failure.getMessage());
  }

  @Override
  public void close() throws IOException {
    try {
      if (root.isPresent()) {
        root.get().close();
      }
    } finally {
      if (image.isPresent()) {
        image.get().close();
      }
    }
  }
}
