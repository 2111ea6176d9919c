package build.thresher.executor.action;

import build.thresher.executor.action.ActionCommand.Output;
import build.thresher.executor.sandbox.Bind;
import build.thresher.executor.sandbox.Limits;
import build.thresher.executor.sandbox.SandboxSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the sandbox of one action is like, or what it gets without one: its root, its directories,
 * its limits.
 *
 * @param spec for the sandbox
 */
record ActionSandbox(SandboxSpec spec) {
  /** Where an action in a sandbox finds its input root, always the same: outputs may tell of it. */
  static final String ROOT = "/thresher/action";

  /** The property by which actions ask for a container image as their root. */
  static final String IMAGE = "container-image";

  /** Where the sandbox mounts something of its own, over whatever root. */
  static final List<String> MOUNT_POINTS = List.of("dev", "proc", "tmp", ROOT.substring(1));

  /** The properties by which actions ask for network. */
  static final String[] NETWORK = {"network", "dockerNetwork"};

  /**
   * Makes the directories that an action expects: its working directory and the parents of its
   * outputs.
   *
   * @param root of the inputs; writable, the action's own
   * @param image what is to be seen of a file system besides the inputs; empty: the host's programs
   * @param temporary the action's {@code /tmp}
   * @param slot for what else the action needs
   */
  static ActionSandbox prepare(
      ActionTask task,
      ActionCommand command,
      Path root,
      Optional<Path> image,
      Path temporary,
      ActionSlot slot,
      Owner owner,
      ActionOptions options)
      throws IOException {
    OutputPaths.createDirectories(root, command.workingDirectory(), owner);
    for (Output output : command.outputs()) {
      int slash = output.place().lastIndexOf('/');
      if (slash > 0) {
        OutputPaths.createDirectories(root, output.place().substring(0, slash), owner);
      }
    }
    if (options.plain()) {
      return plain(task, command, root, temporary, slot, owner, options);
    }
    boolean chroot = task.properties().isOn("chrootIntoInputRoot", "chroot-into-input-root");
    if (chroot && image.isPresent()) {
      throw new RefusedActionException(
          "the action has the properties chrootIntoInputRoot and "
              + IMAGE
              + ": only one of both can be its root");
    }
    String top = chroot ? "" : ROOT;
    List<Bind> binds = new ArrayList<>();
    if (!chroot) {
      binds.add(Bind.writable(root, ROOT));
    }
    binds.add(Bind.writable(temporary, "/tmp"));
    String working = command.workingDirectory();
    return new ActionSandbox(
        new SandboxSpec(
            slot.name(),
            binds,
            command.environment(),
            working.isEmpty() ? (chroot ? "/" : ROOT) : top + "/" + working,
            command.arguments(),
            limits(task, options),
            slot.own(),
            owner.uid(),
            chroot
                ? Optional.of(Bind.writable(root, "/"))
                : image.map(unpacked -> Bind.readOnly(unpacked, "/")),
            options.network() && task.properties().isOn(NETWORK)));
  }

  /** On the host as it is, network included; temporary files still go where they are cleared. */
  private static ActionSandbox plain(
      ActionTask task,
      ActionCommand command,
      Path root,
      Path temporary,
      ActionSlot slot,
      Owner owner,
      ActionOptions options)
      throws RefusedActionException {
    Map<String, String> environment = new HashMap<>(command.environment());
    Path working = root.resolve(command.workingDirectory());
    environment.putIfAbsent("TMPDIR", temporary.toString());
    environment.put("PWD", working.toString());
    return new ActionSandbox(
        new SandboxSpec(
            slot.name(),
            List.of(),
            environment,
            working.toString(),
            command.arguments(),
            limits(task, options),
            slot.own(),
            owner.uid(),
            Optional.empty(),
            true));
  }

  private static Limits limits(ActionTask task, ActionOptions options)
      throws RefusedActionException {
    Duration wall = task.timeout().filter(asked -> asked.isPositive()).orElse(options.timeout());
    Resources asked = Resources.of(task.properties());
    long memory = Math.max(task.memoryLimitBytes(), asked.memoryBytes());
    return new Limits(
        wall,
        memory > 0 ? memory : options.memoryBytes(),
        options.processes(),
        options.diskBytes(),
        options.files(),
        asked.milliCpus());
  }
}
