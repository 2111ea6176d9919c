package build.thresher.deploy.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Debian's Bazel with a workspace and an output base of its own, so that it knows nothing of what
 * another has built. The server that Bazel leaves behind ends with {@link #close}.
 */
final class Bazel implements AutoCloseable {
  private static final Path PROGRAM = Path.of("/usr/bin/bazel");
  private static final Path WORKSPACE =
      Path.of("src/test/resources/bazel-workspace").toAbsolutePath();
  private static final Pattern RAN = Pattern.compile("([0-9]+) remote(?! cache)");
  private static final Pattern HIT = Pattern.compile("([0-9]+) remote cache hit");

  private final Path directory;
  private final Path workspace;
  private final List<String> farm;

  private Bazel(Path directory, List<String> farm) {
    this.directory = directory;
    this.workspace = directory.resolve("workspace");
    this.farm = farm;
  }

  static boolean isInstalled() {
    // Others want other stand-ins for what Bazel loads from the network.
    return Files.isExecutable(PROGRAM) && Files.exists(Path.of("/usr/bin/bazel-4"));
  }

  /** One that sends this farm its token. */
  static Bazel of(Path directory, FarmUnderTest farm) throws IOException {
    String token = Files.readString(farm.tokenFile()).strip();
    return new Bazel(
            directory,
            List.of(
                "--remote_executor=grpc://" + farm.grpcAddress(),
                "--remote_header=Authorization=Bearer " + token))
        .withFiles();
  }

  /** One that sends none. */
  static Bazel withoutToken(Path directory, FarmUnderTest farm) throws IOException {
    return new Bazel(directory, List.of("--remote_executor=grpc://" + farm.grpcAddress()))
        .withFiles();
  }

  private Bazel withFiles() throws IOException {
    try (Stream<Path> all = Files.walk(WORKSPACE)) {
      for (Path from : all.toList()) {
        Path to = workspace.resolve(WORKSPACE.relativize(from).toString());
        if (Files.isDirectory(from)) {
          Files.createDirectories(to);
        } else {
          Files.copy(from, to);
        }
      }
    }
    return this;
  }

  /** Changes a file of the workspace. */
  void edit(String file, String text) throws IOException {
    Files.writeString(workspace.resolve(file), text);
  }

  /** What a target made. */
  Path output(String file) {
    return workspace.resolve("bazel-bin").resolve(file);
  }

  /**
   * How a command ended.
   *
   * @param ran actions that ran on the farm
   * @param hits actions whose results the farm knew
   */
  record Result(int exit, String output, int ran, int hits) {
    Result succeeded() {
      new Processes.Ended(exit, output).succeeded();
      return this;
    }
  }

  /** A command that runs. */
  record Running(Process process, Path log, List<String> command) {
    Result await() throws Exception {
      Processes.Ended ended = Processes.await(process, log, command);
      return new Result(
          ended.exit(), ended.output(), count(RAN, ended.output()), count(HIT, ended.output()));
    }
  }

  Result run(String command, String... arguments) throws Exception {
    return start(command, arguments).await();
  }

  Running start(String command, String... arguments) throws Exception {
    List<String> line = new ArrayList<>(startup());
    line.add(command);
    line.addAll(List.of("--color=no", "--noshow_progress", "--remote_retries=30"));
    line.addAll(farm);
    line.addAll(List.of(arguments));
    Path log = Files.createTempFile(directory, "bazel-", ".log");
    return new Running(start(log, line), log, line);
  }

  private List<String> startup() {
    return List.of(
        PROGRAM.toString(),
        "--nohome_rc",
        "--output_user_root=" + directory.resolve("out"),
        "--max_idle_secs=60");
  }

  private Process start(Path log, List<String> line) throws IOException {
    List<String> inWorkspace =
        new ArrayList<>(List.of("/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", workspace.toString()));
    inWorkspace.addAll(line);
    return Processes.start(log, Map.of(), inWorkspace);
  }

  private static int count(Pattern pattern, String output) {
    Matcher matcher = pattern.matcher(output);
    int count = 0;
    while (matcher.find()) {
      count = Integer.parseInt(matcher.group(1));
    }
    return count;
  }

  @Override
  public void close() throws Exception {
    List<String> line = new ArrayList<>(startup());
    line.add("shutdown");
    Path log = Files.createTempFile(directory, "bazel-", ".log");
    Processes.await(start(log, line), log, line);
    // What actions made is read-only and full of links, which JUnit would complain about.
    String left = directory.resolve("out").toString();
    Processes.run(
        directory, Map.of(), List.of("sh", "-c", "chmod -R u+w \"$0\"; rm -rf \"$0\"", left));
  }
}
