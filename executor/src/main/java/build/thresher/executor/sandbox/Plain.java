package build.thresher.executor.sandbox;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * No sandbox: a command runs among the processes, files and networks of the host, as the executor's
 * user or, where the executor is root, as a user given per command, of whom all processes are
 * killed when the command ends. It has limits, an environment of its own and a session of its own,
 * and nothing else keeps it apart. For machines that make no namespaces, and where whoever asks for
 * work is trusted like an account of the machine.
 *
 * <p>Paths inside are those of the host, so that a command can have neither binds nor a root.
 * Immutable.
 */
public final class Plain implements Confinement {
  private final boolean root;
  private final Ceilings ceilings;

  /**
   * @param root whether the executor runs as root and so changes to the command's user
   */
  public Plain(boolean root) throws IOException {
    this.root = root;
    this.ceilings = Ceilings.ofThisProcess();
  }

  @Override
  public Shown shown() {
    return new Shown(List.of(), List.of());
  }

  @Override
  public Launch launch(
      SandboxSpec spec, ControlGroups.Group group, boolean oneOutput, OptionalInt network) {
    if (!spec.binds().isEmpty() || spec.root().isPresent() || !spec.network()) {
      throw new IllegalArgumentException(
          spec.name() + " is to see other files or networks than the host's, without a sandbox");
    }
    return new Launch(
        oneOutput,
        root ? spec.uid() : -1,
        ceilings.processes(group.limitsProcesses() ? Long.MAX_VALUE : spec.limits().processes()),
        ceilings.fileBytes(spec.limits().diskBytes()),
        ceilings.openFiles(),
        ceilings.mostOpenFiles(),
        group.doors(),
        OptionalInt.empty(),
        Optional.empty(),
        Optional.of(new Launch.OnHost(spec.workingDirectory(), spec.environment())),
        spec.command());
  }
}
