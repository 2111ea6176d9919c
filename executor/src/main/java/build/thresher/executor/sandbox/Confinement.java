package build.thresher.executor.sandbox;

import java.util.OptionalInt;

/** What keeps a command apart from the host, and how it is started in it. Immutable. */
public sealed interface Confinement permits Bubblewrap, Plain {
  /** What commands may be shown of the host's file systems; empty: all as it is. */
  Shown shown();

  /**
   * What to start for a command, and how.
   *
   * @param oneOutput whether standard error goes to standard output
   * @param network number of an empty network that no other process is in
   */
  Launch launch(
      SandboxSpec spec, ControlGroups.Group group, boolean oneOutput, OptionalInt network);
}
