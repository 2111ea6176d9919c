package build.thresher.executor.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Writes the bubblewrap command line of a build: fresh namespaces without network, the host's
 * programs read-only, the account files of nobody but the build, and nothing else of the host.
 *
 * <p>Inside, the build is always uid 1000 without capabilities: as uid 0 of a namespace, unpacking
 * archives of other owners fails, and without a passwd entry Spack does not start. Outside it is
 * the executor's own user, or, where the executor is root, a user given per build.
 *
 * <p>Where no control group limits processes, the kernel's limit for a user does. It is set inside,
 * where it counts the user of this namespace only (Linux 5.14), if there is a program for it; else
 * outside, where it counts all that the user runs on the host. Immutable.
 */
public final class Bubblewrap implements Confinement {
  private static final String INSIDE_ID = "1000";

  /** For bubblewrap's own processes. */
  private static final long NPROC_MARGIN = 64;

  private static final long SHARED_MEMORY_BYTES = 1L << 30;

  /**
   * Symbolic links here are shown as links, so that merged and split /usr both look as they are.
   */
  private static final List<String> HOST_PROGRAMS =
      List.of("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32");

  private static final String NAME_SERVERS = "/etc/resolv.conf";

  private final Shown shown;
  private final List<String> hostView;
  private final boolean root;
  private final Optional<Path> seccompFilter;
  private final Ceilings ceilings;

  /**
   * @param work directory below which all lies that builds are shown besides the host's programs
   * @param etc directory that every build sees as /etc, see {@link HostSettings}
   * @param hostPaths further host directories to show read-only at their own paths
   * @param root whether the executor runs as root and so changes to the build's user
   * @param seccompFilter compiled filter of system calls
   */
  public Bubblewrap(
      Path work, Path etc, List<Path> hostPaths, boolean root, Optional<Path> seccompFilter)
      throws IOException {
    List<Path> always = new ArrayList<>(List.of(work, etc, Path.of(NAME_SERVERS)));
    HOST_PROGRAMS.forEach(name -> always.add(Path.of(name)));
    this.shown = new Shown(always, hostPaths);
    this.hostView = hostView(etc, hostPaths);
    this.root = root;
    this.seccompFilter = seccompFilter;
    this.ceilings = Ceilings.ofThisProcess();
  }

  @Override
  public Shown shown() {
    return shown;
  }

  @Override
  public Launch launch(
      SandboxSpec spec, ControlGroups.Group group, boolean oneOutput, OptionalInt network) {
    long processes = ceilings.processes(spec.limits().processes() + NPROC_MARGIN);
    boolean limitInside = !group.limitsProcesses() && spec.root().isEmpty();
    boolean limitOutside = !group.limitsProcesses() && !limitInside;
    return new Launch(
        oneOutput,
        root ? spec.uid() : -1,
        limitOutside ? processes : ceilings.processes(Long.MAX_VALUE),
        ceilings.fileBytes(spec.limits().diskBytes()),
        ceilings.openFiles(),
        ceilings.mostOpenFiles(),
        group.doors(),
        network,
        seccompFilter,
        Optional.empty(),
        commandLine(spec, limitInside ? Optional.of(processes) : Optional.empty()));
  }

  private List<String> commandLine(SandboxSpec spec, Optional<Long> processes) {
    List<String> argv = new ArrayList<>(List.of("bwrap"));
    if (spec.root().isPresent()) {
      Bind own = spec.root().get();
      argv.addAll(List.of(own.writable() ? "--bind" : "--ro-bind", own.host().toString(), "/"));
    }
    namespaces(argv);
    // Read at once, other than by --seccomp: until the launcher has written it, nothing happens.
    argv.addAll(List.of("--add-seccomp-fd", "9"));
    argv.addAll(List.of("--json-status-fd", "8"));
    if (spec.root().isEmpty()) {
      argv.addAll(hostView);
    }
    if (spec.network()) {
      argv.addAll(List.of("--share-net", "--ro-bind-try", NAME_SERVERS, NAME_SERVERS));
    }
    for (Bind bind : spec.binds()) {
      argv.add(bind.writable() ? "--bind" : "--ro-bind");
      argv.add(bind.host().toString());
      argv.add(bind.inside());
    }
    // What is not bound is memory, which no limit on disks counts.
    argv.addAll(List.of("--remount-ro", "/dev"));
    if (spec.root().isEmpty()) {
      argv.addAll(List.of("--remount-ro", "/"));
    }
    spec.environment().forEach((name, value) -> argv.addAll(List.of("--setenv", name, value)));
    argv.addAll(List.of("--chdir", spec.workingDirectory(), "--"));
    processes.ifPresent(most -> argv.addAll(List.of("prlimit", "--nproc=" + most, "--")));
    argv.addAll(spec.command());
    return argv;
  }

  private static void namespaces(List<String> argv) {
    argv.addAll(
        List.of(
            "--unshare-all",
            "--unshare-user",
            "--disable-userns",
            "--uid",
            INSIDE_ID,
            "--gid",
            INSIDE_ID,
            "--hostname",
            "builder",
            "--new-session",
            "--die-with-parent",
            "--cap-drop",
            "ALL",
            "--clearenv",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--size",
            Long.toString(SHARED_MEMORY_BYTES),
            "--tmpfs",
            "/dev/shm"));
  }

  /** As the host is now: what is mounted does not change while the executor runs. */
  private static List<String> hostView(Path etc, List<Path> hostPaths) throws IOException {
    List<String> argv = new ArrayList<>();
    for (String name : HOST_PROGRAMS) {
      Path path = Path.of(name);
      if (Files.isSymbolicLink(path)) {
        argv.addAll(List.of("--symlink", Files.readSymbolicLink(path).toString(), name));
      } else if (Files.isDirectory(path)) {
        argv.addAll(List.of("--ro-bind", name, name));
      }
    }
    argv.addAll(List.of("--ro-bind", etc.toString(), "/etc"));
    for (Path path : hostPaths) {
      argv.addAll(List.of("--ro-bind", path.toString(), path.toString()));
    }
    return List.copyOf(argv);
  }
}
