package build.thresher.executor.sandbox;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

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
public final class Bubblewrap {
  private static final String INSIDE_ID = "1000";

  /** For bubblewrap's own processes. */
  private static final long NPROC_MARGIN = 64;

  /** What programs expect; some close all that there could be, one by one. */
  private static final long OPEN_FILES = 4096;

  private static final long MAX_OPEN_FILES = 65_536;

  /**
   * From here on the kernel kills this process with the executor. If the executor died before, its
   * process has another parent by now, and nobody would ever end it.
   */
  private static final String STILL_THERE =
      "[ \"$PPID\" = \"$1\" ] || exit 125; shift; exec \"$@\"";

  private static final long SHARED_MEMORY_BYTES = 1L << 30;

  /**
   * Symbolic links here are shown as links, so that merged and split /usr both look as they are.
   */
  private static final List<String> HOST_PROGRAMS =
      List.of("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32");

  /** What programs need of /etc; never accounts, keys or tokens. */
  private static final List<String> HOST_SETTINGS =
      List.of(
          "/etc/alternatives",
          "/etc/crypto-policies",
          "/etc/ld.so.cache",
          "/etc/ld.so.conf",
          "/etc/ld.so.conf.d",
          "/etc/magic",
          "/etc/os-release",
          "/etc/perl",
          "/etc/pki/ca-trust/extracted",
          "/etc/pki/tls/certs",
          "/etc/ssl/certs",
          "/etc/ssl/openssl.cnf");

  private final Path etc;
  private final List<Path> hostPaths;
  private final boolean root;
  private final Optional<Path> seccompFilter;
  private final Ceilings ceilings;
  private final boolean deathSignal;
  private final String executorPid = Long.toString(ProcessHandle.current().pid());

  /**
   * @param etc directory with the account files that every build sees, see {@link #writeAccounts}
   * @param hostPaths further host directories to show read-only at their own paths
   * @param root whether the executor runs as root and so changes to the build's user
   * @param seccompFilter compiled filter of system calls
   */
  public Bubblewrap(Path etc, List<Path> hostPaths, boolean root, Optional<Path> seccompFilter)
      throws IOException {
    this.etc = etc;
    this.hostPaths = List.copyOf(hostPaths);
    this.root = root;
    this.seccompFilter = seccompFilter;
    this.ceilings = Ceilings.ofThisProcess();
    this.deathSignal = setprivSetsDeathSignal();
  }

  /**
   * Of util-linux since 2.33. Without it an executor that dies as a build starts leaves it there.
   */
  private static boolean setprivSetsDeathSignal() throws IOException {
    Process help = new ProcessBuilder("setpriv", "--help").redirectErrorStream(true).start();
    return new String(help.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
        .contains("--pdeathsig");
  }

  /** Writes the synthetic account and host files below a directory of the executor. */
  public static void writeAccounts(Path etc) throws IOException {
    Files.createDirectories(etc);
    Files.writeString(
        etc.resolve("passwd"),
        "build:x:1000:1000:build:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
    Files.writeString(etc.resolve("group"), "build:x:1000:\nnogroup:x:65534:\n");
    Files.writeString(etc.resolve("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n");
    Files.writeString(etc.resolve("hosts"), "127.0.0.1 localhost builder\n::1 localhost\n");
  }

  /** The whole command line for a build, from the launching shell to the build's own command. */
  List<String> commandLine(SandboxSpec spec, ControlGroups.Group group) {
    long processes = ceilings.processes(spec.limits().processes() + NPROC_MARGIN);
    boolean limitInside = !group.limitsProcesses() && spec.root().isEmpty();
    boolean limitOutside = !group.limitsProcesses() && !limitInside;
    List<String> argv =
        new ArrayList<>(
            launcher(
                group.doors(),
                spec.status(),
                limitOutside ? processes : ceilings.processes(Long.MAX_VALUE),
                ceilings.fileBytes(spec.limits().diskBytes())));
    argv.addAll(List.of("setpriv", "--no-new-privs"));
    if (root) {
      argv.addAll(List.of("--reuid=" + spec.uid(), "--regid=" + spec.uid(), "--clear-groups"));
    }
    if (deathSignal) {
      argv.addAll(List.of("--pdeathsig", "KILL"));
    }
    argv.add("--");
    if (deathSignal) {
      argv.addAll(List.of("/bin/sh", "-c", STILL_THERE, "thresher-build", executorPid));
    }
    argv.add("bwrap");
    if (spec.root().isPresent()) {
      Bind own = spec.root().get();
      argv.addAll(List.of(own.writable() ? "--bind" : "--ro-bind", own.host().toString(), "/"));
    }
    namespaces(argv);
    if (seccompFilter.isPresent()) {
      argv.addAll(List.of("--seccomp", "9"));
    }
    if (spec.status().isPresent()) {
      argv.addAll(List.of("--json-status-fd", "8"));
    }
    if (spec.root().isEmpty()) {
      hostView(argv);
    }
    if (spec.network()) {
      argv.addAll(List.of("--share-net", "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"));
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
    if (limitInside) {
      argv.addAll(List.of("prlimit", "--nproc=" + processes, "--"));
    }
    argv.addAll(spec.command());
    return argv;
  }

  /**
   * The shell enters the control groups, sets the limits, opens the filter as descriptor 9 and the
   * status as 8, and becomes the next program: a process builder can do none of this, and a program
   * for each of it takes a millisecond.
   */
  private List<String> launcher(
      List<Path> controlGroups, Optional<Path> status, long processes, long fileBytes) {
    // When the host itself has no memory left, builds are to go before the executor.
    StringBuilder script = new StringBuilder("echo 500 2>/dev/null > /proc/$$/oom_score_adj; ");
    script.append("n=$1; shift; ");
    script.append("while [ \"$n\" -gt 0 ]; do echo 0 > \"$1\" || exit 125; ");
    script.append("shift; n=$((n-1)); done; ");
    script.append(resourceLimits(processes, fileBytes));
    List<String> argv = new ArrayList<>(List.of("/bin/sh", "-c"));
    List<String> arguments = new ArrayList<>();
    arguments.add(Integer.toString(controlGroups.size()));
    controlGroups.forEach(door -> arguments.add(door.toString()));
    seccompFilter.ifPresent(
        filter -> {
          script.append("f=$1; shift; exec 9< \"$f\" || exit 125; ");
          arguments.add(filter.toString());
        });
    status.ifPresent(
        file -> {
          script.append("f=$1; shift; exec 8> \"$f\" || exit 125; ");
          arguments.add(file.toString());
        });
    script.append("exec \"$@\"");
    argv.add(script.toString());
    argv.add("thresher-build");
    argv.addAll(arguments);
    return argv;
  }

  private String resourceLimits(long processes, long fileBytes) {
    String most = processes == Long.MAX_VALUE ? "unlimited" : Long.toString(processes);
    return "ulimit -c 0 && ulimit -S -n "
        + ceilings.openFiles(OPEN_FILES)
        + " && ulimit -H -n "
        + ceilings.openFiles(MAX_OPEN_FILES)
        // Blocks of 512 bytes, as POSIX has it; the option for processes is -p for dash.
        + " && ulimit -f "
        + Math.max(1, fileBytes / 512)
        + " && { ulimit -u "
        + most
        + " || ulimit -p "
        + most
        + "; } 2> /dev/null || exit 125; ";
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

  private void hostView(List<String> argv) {
    for (String name : HOST_PROGRAMS) {
      Path path = Path.of(name);
      if (Files.isSymbolicLink(path)) {
        argv.addAll(List.of("--symlink", linkTarget(path), name));
      } else if (Files.isDirectory(path)) {
        argv.addAll(List.of("--ro-bind", name, name));
      }
    }
    for (String name : HOST_SETTINGS) {
      argv.addAll(List.of("--ro-bind-try", name, name));
    }
    for (String name : List.of("passwd", "group", "nsswitch.conf", "hosts")) {
      argv.addAll(List.of("--ro-bind", etc.resolve(name).toString(), "/etc/" + name));
    }
    for (Path path : hostPaths) {
      argv.addAll(List.of("--ro-bind", path.toString(), path.toString()));
    }
  }

  private static String linkTarget(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException("cannot read the link " + link, e);
    }
  }
}
