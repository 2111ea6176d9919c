package build.thresher.deploy.e2e;

import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The assembled program as real processes on a data directory of the test's own. */
final class FarmUnderTest implements AutoCloseable {
  static final Path PROGRAM = Path.of("target/thresher/bin/thresher").toAbsolutePath();
  static final Path EXTENSION = Path.of("target/thresher/spack-farm").toAbsolutePath();
  private static final Pattern READY = Pattern.compile("ready: grpc=(\\S+) http=(\\S+)");

  private final List<String> program;
  private final Path directory;
  private final List<Process> executors = new ArrayList<>();
  private final List<String> settings = new ArrayList<>();
  private @Nullable Process server;
  private @Nullable Path authority;
  private String grpc = "127.0.0.1:0";
  private String http = "127.0.0.1:0";
  private int starts;

  private FarmUnderTest(List<String> program, Path directory) {
    this.program = List.copyOf(program);
    this.directory = directory;
  }

  /**
   * Starts a server.
   *
   * @param settings {@code key=value} of farm.yaml
   */
  static FarmUnderTest start(Path directory, String... settings) throws Exception {
    return start(List.of(PROGRAM.toString()), directory, settings);
  }

  /**
   * Starts a server of another program than the assembled one.
   *
   * @param program and what goes before it
   */
  static FarmUnderTest start(List<String> program, Path directory, String... settings)
      throws Exception {
    Files.createDirectories(directory);
    // Where the tests run as root, builds run as other users, who have to pass through.
    for (Path above = directory;
        above != null && Files.isWritable(above);
        above = above.getParent()) {
      Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(above);
      permissions.add(PosixFilePermission.OTHERS_EXECUTE);
      Files.setPosixFilePermissions(above, permissions);
      if (above.getFileName() == null || above.getFileName().toString().startsWith("junit")) {
        break;
      }
    }
    FarmUnderTest farm = new FarmUnderTest(program, directory);
    farm.settings.addAll(List.of(settings));
    farm.startServer();
    return farm;
  }

  /** Starts the server again, at the addresses that it had before. */
  void startServer() throws IOException, InterruptedException {
    Path log = directory.resolve("server-" + ++starts + ".log");
    List<String> command = new ArrayList<>(program);
    command.addAll(
        List.of(
            "serve",
            "--set",
            "data=" + directory.resolve("data"),
            "--set",
            "access.token_file=" + tokenFile(),
            "--set",
            "executor.work=" + directory.resolve("executor-local"),
            "--set",
            "grpc.listen=" + grpc,
            "--set",
            "http.listen=" + http));
    for (String setting : settings) {
      command.add("--set");
      command.add(setting);
    }
    Process started = Processes.start(log, Map.of(), command);
    server = started;
    long deadline = System.nanoTime() + Processes.HANG.toNanos();
    while (System.nanoTime() < deadline) {
      Matcher ready = READY.matcher(Files.readString(log));
      if (ready.find()) {
        grpc = ready.group(1).replace("0.0.0.0", "127.0.0.1");
        http = ready.group(2);
        return;
      }
      if (!started.isAlive()) {
        throw new AssertionError("the server did not start:\n" + Files.readString(log));
      }
      Thread.sleep(20);
    }
    throw new AssertionError("the server is not ready:\n" + Files.readString(log));
  }

  /** SIGTERM, and waits until it is gone. */
  void stopServer() throws InterruptedException {
    if (server != null) {
      server.destroy();
      server.waitFor();
    }
  }

  /** SIGKILL, as a power cut would be for the process. */
  void killServer() throws InterruptedException {
    kill(server);
  }

  /**
   * Starts an executor with two slots; it need not be ready when this returns.
   *
   * @param settings {@code key=value} of farm.yaml
   */
  Process startExecutor(String name, String... settings) throws IOException {
    Path log = directory.resolve("executor-" + name + ".log");
    List<String> command = new ArrayList<>(program);
    command.addAll(
        List.of(
            "executor",
            "--set",
            "executor.name=" + name,
            "--set",
            "executor.slots=2",
            "--set",
            "executor.work=" + directory.resolve("executor-" + name)));
    for (String setting : settings) {
      command.add("--set");
      command.add(setting);
    }
    Process executor = Processes.start(log, clientEnvironment(), command);
    executors.add(executor);
    return executor;
  }

  /** The same, over another way to the server. */
  Process startExecutorAt(String address, String name, String... settings) throws IOException {
    String before = grpc;
    grpc = address;
    try {
      return startExecutor(name, settings);
    } finally {
      grpc = before;
    }
  }

  /** {@link #startThresher} over another way to the server. */
  Client startThresherAt(String address, String... arguments) throws Exception {
    String before = grpc;
    grpc = address;
    try {
      return startThresher(arguments);
    } finally {
      grpc = before;
    }
  }

  /** The server's process, and those of executors. */
  List<ProcessHandle> processes() {
    List<ProcessHandle> all = new ArrayList<>(executors.stream().map(Process::toHandle).toList());
    if (server != null) {
      all.add(server.toHandle());
    }
    return all;
  }

  /** What the server's process has in memory. */
  long serverMemoryBytes() throws IOException {
    if (server == null) {
      throw new IllegalStateException("no server runs");
    }
    return server
        .toHandle()
        .descendants()
        .mapToLong(child -> residentBytes(child.pid()))
        .reduce(residentBytes(server.pid()), Long::sum);
  }

  private static long residentBytes(long pid) {
    try {
      return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream()
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
          .sum();
    } catch (IOException e) {
      return 0; // it has just ended
    }
  }

  void killExecutors() throws InterruptedException {
    for (Process executor : executors) {
      kill(executor);
    }
    executors.clear();
  }

  static void kill(@Nullable Process process) throws InterruptedException {
    if (process != null) {
      process.destroyForcibly();
      process.waitFor();
    }
  }

  Path tokenFile() {
    return directory.resolve("token");
  }

  String mirrorUrl() {
    return "http://" + http + "/mirror/default";
  }

  String grpcAddress() {
    return grpc;
  }

  String httpAddress() {
    return http;
  }

  Path directory() {
    return directory;
  }

  /** From now on clients and executors speak TLS and trust this authority. */
  void trust(Path authority) {
    this.authority = authority;
  }

  /** Runs a client command that trusts nobody but whom it names itself. */
  Processes.Ended thresherUntrusting(List<String> arguments) throws Exception {
    List<String> command = new ArrayList<>(program);
    command.addAll(arguments);
    Map<String, String> environment = clientEnvironment();
    environment.remove("THRESHER_TLS_CA");
    return Processes.run(directory, environment, command);
  }

  /** How clients of this farm find it. */
  Map<String, String> clientEnvironment() {
    Map<String, String> environment = new HashMap<>();
    if (authority != null) {
      environment.put("THRESHER_TLS_CA", authority.toString());
    }
    environment.put("THRESHER_SERVER", grpc);
    environment.put("THRESHER_TOKEN_FILE", tokenFile().toString());
    environment.put("SPACK_FARM_CLI", PROGRAM.toString());
    environment.put("XDG_CACHE_HOME", directory.resolve("client-cache").toString());
    return environment;
  }

  /** Runs a client command. */
  Processes.Ended thresher(String... arguments) throws Exception {
    return thresher(Map.of(), arguments);
  }

  /** The same, with more in its environment. */
  Processes.Ended thresher(Map<String, String> more, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(program);
    command.addAll(List.of(arguments));
    Map<String, String> environment = clientEnvironment();
    environment.putAll(more);
    return Processes.run(directory, environment, command);
  }

  /** Starts a client command and returns at once. */
  Client startThresher(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(program);
    command.addAll(List.of(arguments));
    Path log = Files.createTempFile(directory, "client-", ".out");
    return new Client(Processes.start(log, clientEnvironment(), command), log, command);
  }

  /** A client command that runs. */
  record Client(Process process, Path log, List<String> command) {
    Processes.Ended await() throws Exception {
      return Processes.await(process, log, command);
    }

    String output() throws IOException {
      return Files.readString(log);
    }
  }

  /** A connection with the farm's token; the caller shuts it down. */
  ManagedChannel connect() throws IOException {
    return connectAt(grpc);
  }

  /** The same over another way to the server. */
  ManagedChannel connectAt(String address) throws IOException {
    String token = Files.readString(tokenFile()).strip();
    return FarmChannel.open(new FarmEndpoint(address, token, null));
  }

  /** Everything that server and executors logged. */
  String logs() throws IOException {
    StringBuilder all = new StringBuilder();
    try (var files = Files.list(directory)) {
      for (Path log : files.filter(f -> f.toString().endsWith(".log")).sorted().toList()) {
        all.append("==== ").append(log.getFileName()).append('\n').append(Files.readString(log));
      }
    }
    return all.toString();
  }

  @Override
  public void close() throws Exception {
    killExecutors();
    kill(server);
    unmount();
  }

  /** The input roots of executors that were killed: what comes after them would clear these. */
  private void unmount() throws IOException, InterruptedException {
    for (String mount : Files.readAllLines(Path.of("/proc/self/mounts"))) {
      String point = mount.split(" ", -1)[1];
      if (point.startsWith(directory + "/")) {
        new ProcessBuilder("umount", "--lazy", point).inheritIO().start().waitFor();
      }
    }
  }
}
