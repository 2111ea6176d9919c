package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.deploy.demo.SpackInstallation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** A private Spack world without network: small packages, own store, own configuration. */
final class SpackWorld {
  private static final Path SCRIPT =
      Path.of("src/main/spack-world/spack_world.py").toAbsolutePath();
  private static final Path TERMINAL = Path.of("src/test/python/terminal.py").toAbsolutePath();

  private final Path directory;
  private final SpackInstallation spack;
  private final Map<String, String> environment;

  private SpackWorld(Path directory, SpackInstallation spack, Map<String, String> environment) {
    this.directory = directory;
    this.spack = spack;
    this.environment = environment;
  }

  /** Makes one, or skips the test where there is no Spack. */
  static SpackWorld make(Path directory) throws Exception {
    return make(directory, present());
  }

  /** One with all packages of Spack, in which solving takes long. */
  static SpackWorld makeWhole(Path directory) throws Exception {
    return make(directory, present(), "--whole");
  }

  /** One of another release, with the same packages; skips the test where there is none. */
  static SpackWorld makeOfAnotherSpack(Path directory) throws Exception {
    Path other =
        Path.of(
            Objects.requireNonNullElse(
                System.getenv("THRESHER_TEST_OTHER_SPACK"),
                System.getProperty("user.home") + "/spack-1.1"));
    assumeTrue(
        Files.isExecutable(other.resolve("bin/spack")),
        "SKIPPED: no second Spack at " + other + " (THRESHER_TEST_OTHER_SPACK)");
    return make(directory, new SpackInstallation(other, present().builtin()));
  }

  private static SpackInstallation present() throws Exception {
    Optional<SpackInstallation> found = SpackInstallation.find(System.getenv());
    assumeTrue(
        found.isPresent(), "SKIPPED: no Spack found (SPACK_ROOT, PATH, ~/spack); see README");
    return found.orElseThrow();
  }

  static SpackWorld make(Path directory, SpackInstallation spack, String... options)
      throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of("python3", SCRIPT.toString(), directory.toString(), spack.root().toString()));
    Path builtin = spack.builtin();
    if (builtin != null) {
      command.add(builtin.toString());
    }
    command.addAll(List.of(options));
    Files.createDirectories(directory);
    Processes.run(directory, Map.of(), command).succeeded();
    Map<String, String> environment = new HashMap<>();
    for (String line : Files.readAllLines(directory.resolve("env.sh"))) {
      int equals = line.indexOf('=');
      if (!line.startsWith("export PATH")) {
        environment.put(
            line.substring("export ".length(), equals),
            line.substring(equals + 2, line.length() - 1));
      }
    }
    return new SpackWorld(directory, spack, environment);
  }

  Path directory() {
    return directory;
  }

  /** Its source mirror, as a farm is told of it. */
  String sources() {
    return directory.resolve("sources").toUri().toString();
  }

  /** Puts the one source that comes with Spack, and not with this world, into its mirror. */
  void keepCompilerWrapper() throws Exception {
    spack("mirror", "create", "-d", directory.resolve("sources").toString(), "compiler-wrapper")
        .succeeded();
  }

  /** Solves packages in one environment, without building anything; once for each environment. */
  Solved solve(String... packages) throws Exception {
    Path environmentDirectory = environment(packages);
    Path plan = environmentDirectory.resolve("plan.json");
    if (!Files.exists(plan)) {
      List<String> arguments = new ArrayList<>(List.of("-D", environmentDirectory.toString()));
      arguments.addAll(extension());
      arguments.addAll(
          List.of("farm", "install", "--upload-sources", "--plan-out", plan.toString()));
      Processes.run(directory, environment, command(arguments)).succeeded();
    }
    return Solved.read(environmentDirectory, plan);
  }

  /** A Spack environment with these roots. */
  Path environment(String... packages) throws Exception {
    Path made = directory.resolve("env-" + String.join("-", packages));
    Files.createDirectories(made);
    Path file = made.resolve("spack.yaml");
    if (!Files.exists(file)) {
      Files.writeString(
          file,
          "spack:\n  view: false\n  concretizer: {unify: true}\n  specs: ["
              + String.join(", ", packages)
              + "]\n");
    }
    return made;
  }

  /** Solves once and keeps the document. */
  Path concretize(String spec) throws Exception {
    Path document = directory.resolve(spec.replace(' ', '_') + ".spec.json");
    if (!Files.exists(document)) {
      String json = spack("spec", "--json", spec).succeeded().output();
      Files.writeString(document, json.substring(json.indexOf('{')));
    }
    return document;
  }

  /** Runs Spack in this world. */
  Processes.Ended spack(String... arguments) throws Exception {
    return Processes.run(directory, environment, command(List.of(arguments)));
  }

  /** Runs Spack in this world, with more in its environment. */
  Processes.Ended spack(Map<String, String> more, String... arguments) throws Exception {
    Map<String, String> all = new HashMap<>(environment);
    all.putAll(more);
    return Processes.run(directory, all, command(List.of(arguments)));
  }

  /** Runs {@code spack farm …} against a farm. */
  Processes.Ended farm(FarmUnderTest farm, String... arguments) throws Exception {
    return Processes.run(directory, farmEnvironment(farm), farmCommand(arguments));
  }

  /**
   * Runs {@code spack farm …} on a terminal.
   *
   * @param interruptAt Ctrl-C is typed once this has been shown; "" for never
   */
  Processes.Ended farmOnTerminal(String interruptAt, FarmUnderTest farm, String... arguments)
      throws Exception {
    List<String> all = new ArrayList<>(List.of("python3", TERMINAL.toString(), interruptAt));
    all.addAll(farmCommand(arguments));
    Map<String, String> onTerminal = farmEnvironment(farm);
    onTerminal.put("TERM", "xterm");
    return Processes.run(directory, onTerminal, all);
  }

  /** Runs {@code spack farm …} in an environment. */
  Processes.Ended farmIn(Path environmentDirectory, FarmUnderTest farm, String... arguments)
      throws Exception {
    List<String> all = new ArrayList<>(List.of("-D", environmentDirectory.toString()));
    all.addAll(extension());
    all.add("farm");
    all.addAll(List.of(arguments));
    return Processes.run(directory, farmEnvironment(farm), command(all));
  }

  private Map<String, String> farmEnvironment(FarmUnderTest farm) {
    Map<String, String> all = new HashMap<>(environment);
    all.putAll(farm.clientEnvironment());
    return all;
  }

  private static List<String> extension() {
    return List.of("-c", "config:extensions:[" + FarmUnderTest.EXTENSION + "]");
  }

  private List<String> farmCommand(String... arguments) {
    List<String> all = new ArrayList<>(extension());
    all.add("farm");
    all.addAll(List.of(arguments));
    return command(all);
  }

  private List<String> command(List<String> arguments) {
    List<String> command = new ArrayList<>(List.of(spack.program().toString()));
    command.addAll(arguments);
    return command;
  }
}
