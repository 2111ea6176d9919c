package build.thresher.executor.core;

import build.thresher.executor.action.Offers;
import build.thresher.v1.Capabilities;
import build.thresher.v1.External;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Measures this machine, once, at start. */
final class Host {
  /** Program to what a distribution calls the package. */
  private record Required(String program, String packageName) {}

  private static final List<Required> REQUIRED =
      List.of(
          new Required("bwrap", "bubblewrap"),
          new Required("prlimit", "util-linux"),
          new Required("tar", "tar"),
          new Required("gzip", "gzip"),
          new Required("bzip2", "bzip2"),
          new Required("xz", "xz-utils"),
          new Required("unzip", "unzip"),
          new Required("patch", "patch"),
          new Required("file", "file"),
          new Required("git", "git"));

  /** Spack's cores of today need at least this. */
  private static final int PYTHON_MINOR = 6;

  private Host() {}

  /**
   * Checks what no build can do without.
   *
   * @param plain whether there are only actions, without a sandbox
   * @throws HostNotReadyException naming everything that is missing, in one sentence
   */
  static void requireTools(String python, boolean plain) throws HostNotReadyException {
    List<String> missing = new ArrayList<>();
    for (Required required : plain ? List.<Required>of() : REQUIRED) {
      if (HostCommand.find(required.program()).isEmpty()) {
        missing.add(required.program() + " (package " + required.packageName() + ")");
      }
    }
    Matcher version =
        Pattern.compile("Python 3\\.([0-9]+)")
            .matcher(HostCommand.output(List.of(python, "--version")));
    if (!version.find() || Integer.parseInt(version.group(1)) < PYTHON_MINOR) {
      missing.add(python + " 3." + PYTHON_MINOR + " or later (package python3)");
    }
    if (!missing.isEmpty()) {
      throw new HostNotReadyException(
          "this machine cannot be an executor until these are installed: "
              + String.join(", ", missing));
    }
  }

  /** What to do when bubblewrap does not work here. */
  static String sandboxAdvice(ExecutorOptions options, Optional<BuildUsers> users, String output)
      throws IOException {
    if (users.isPresent()) {
      for (Path path = options.workDir(); path != null; path = path.getParent()) {
        if (!Files.getPosixFilePermissions(path).contains(PosixFilePermission.OTHERS_EXECUTE)) {
          return "builds run as the users "
              + users.get()
              + ", who may not enter "
              + path
              + "; choose a work directory below one that all users may enter, for example"
              + " /var/lib/thresher/executor";
        }
      }
    }
    if (options.actions().plain()) {
      return "this machine does not run a command: " + output.strip();
    }
    return "bubblewrap does not work on this machine: "
        + output.strip()
        + "; unprivileged user namespaces must be allowed (sysctl user.max_user_namespaces,"
        + " kernel.unprivileged_userns_clone=1, on Ubuntu"
        + " kernel.apparmor_restrict_unprivileged_userns=0 or a profile for bwrap; in a container,"
        + " a seccomp profile that allows them); actions alone can run without"
        + " (executor.sandbox: plain)";
  }

  static Capabilities capabilities(ExecutorOptions options) throws IOException {
    Targets targets =
        Targets.of(System.getProperty("os.arch", ""), lines(Path.of("/proc/cpuinfo")));
    Capabilities.Builder builder =
        Capabilities.newBuilder()
            .setPlatform("linux")
            .setOperatingSystem(
                OperatingSystemName.of(
                    osRelease(), HostCommand.output(List.of("ldd", "--version"))))
            .setTarget(targets.best())
            .addAllCompatibleTargets(targets.compatible())
            .addAllFeatures(targets.features())
            .putAllLabels(options.labels())
            .setSandbox(options.actions().sandbox())
            .setMemoryBytes(memoryBytes())
            .setCpus(Runtime.getRuntime().availableProcessors());
    builder.addAllProperties(Offers.of(System.getProperty("os.arch", ""), options.actions()));
    Stream<HostExternal> found =
        options.actions().plain() ? Stream.of() : HostTools.measure().stream();
    Stream.concat(found, options.externals().stream())
        .forEach(
            external ->
                builder.addExternals(
                    External.newBuilder()
                        .setName(external.name())
                        .setVersion(external.version())
                        .setPath(external.path())
                        .setFingerprint(external.fingerprint())));
    return builder.build();
  }

  private static List<String> osRelease() throws IOException {
    Path etc = Path.of("/etc/os-release");
    return lines(Files.isReadable(etc) ? etc : Path.of("/usr/lib/os-release"));
  }

  private static List<String> lines(Path file) throws IOException {
    return Files.isReadable(file) ? Files.readAllLines(file) : List.of();
  }

  private static long memoryBytes() throws IOException {
    Optional<String> total =
        lines(Path.of("/proc/meminfo")).stream().filter(l -> l.startsWith("MemTotal:")).findFirst();
    if (total.isEmpty()) {
      return 0;
    }
    Matcher number = Pattern.compile("([0-9]+) kB").matcher(total.get());
    return number.find() ? Long.parseLong(number.group(1)) << 10 : 0;
  }
}
