package build.thresher.executor.sandbox;

import com.google.common.collect.ImmutableSortedMap;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One command to run apart from the host.
 *
 * @param name of the build, for names of control groups; letters, digits, dash and dot
 * @param binds in the order in which they are mounted
 * @param environment all of it, given in the order of names; nothing of the host's is passed on
 * @param workingDirectory inside
 * @param command first the program
 * @param limits what it may use
 * @param watched the host directory whose size counts against the disk limit
 * @param uid host user that it runs as, where the executor may choose
 * @param root what is shown at {@code /}, and whether the command may change it; empty: the host's
 *     programs
 * @param network whether it shares the host's network
 */
public record SandboxSpec(
    String name,
    List<Bind> binds,
    Map<String, String> environment,
    String workingDirectory,
    List<String> command,
    Limits limits,
    Path watched,
    int uid,
    Optional<Bind> root,
    boolean network) {
  public SandboxSpec {
    binds = List.copyOf(binds);
    environment = ImmutableSortedMap.copyOf(environment);
    command = List.copyOf(command);
    if (!name.matches("[A-Za-z0-9][A-Za-z0-9.-]{0,80}")) {
      throw new IllegalArgumentException("not a name for a sandbox: " + name);
    }
  }

  /** A command among the host's programs, without network. */
  public SandboxSpec(
      String name,
      List<Bind> binds,
      Map<String, String> environment,
      String workingDirectory,
      List<String> command,
      Limits limits,
      Path watched,
      int uid) {
    this(
        name,
        binds,
        environment,
        workingDirectory,
        command,
        limits,
        watched,
        uid,
        Optional.empty(),
        false);
  }
}
