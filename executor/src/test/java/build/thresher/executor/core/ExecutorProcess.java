package build.thresher.executor.core;

import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.executor.testing.ExecutorMain;
import build.thresher.executor.testing.RealSpack;
import build.thresher.executor.testing.RunningProcesses;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Executors in processes of their own, as root or as an ordinary user. */
final class ExecutorProcess implements AutoCloseable {
  /** Of nobody: what an ordinary user may do, root's tests try with this one. */
  static final int ORDINARY_USER = 64_990;

  /** What builds of the executor may take, in the order of {@link ExecutorMain}. */
  record Bounds(
      long seconds,
      long memoryBytes,
      long processes,
      long diskBytes,
      long files,
      long logBytes,
      long graceSeconds) {
    static final Bounds WIDE = new Bounds(600, 0, 4096, 20L << 30, 1_000_000, 16 << 20, 20);
  }

  private final Process process;
  private final BufferedReader output;
  private final List<String> said = new ArrayList<>();

  private ExecutorProcess(Process process) {
    this.process = process;
    this.output = process.inputReader(StandardCharsets.UTF_8);
  }

  /**
   * Starts one and waits until it serves or refuses.
   *
   * @param as words before the command, such as a change of the user
   * @param environment besides the usual PATH
   * @param scratch where all users may read
   */
  static ExecutorProcess start(
      List<String> as,
      Map<String, String> environment,
      Path scratch,
      String name,
      Path work,
      int port,
      Path blobs,
      int slots,
      Bounds bounds)
      throws IOException {
    List<String> command = new ArrayList<>(as);
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin/java").toString(),
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-cp",
            as.isEmpty() ? System.getProperty("java.class.path") : readableClassPath(scratch),
            ExecutorMain.class.getName(),
            name,
            work.toString(),
            Integer.toString(port),
            blobs.toString(),
            Integer.toString(slots)));
    for (long bound :
        new long[] {
          bounds.seconds(),
          bounds.memoryBytes(),
          bounds.processes(),
          bounds.diskBytes(),
          bounds.files(),
          bounds.logBytes(),
          bounds.graceSeconds()
        }) {
      command.add(Long.toString(bound));
    }
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.directory(new File("/"));
    builder.environment().clear();
    builder.environment().put("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    builder.environment().putAll(environment);
    ExecutorProcess started = new ExecutorProcess(builder.start());
    started.readUntil("ready");
    return started;
  }

  /** The words that make a command an ordinary user's. */
  static List<String> asOrdinaryUser() {
    return List.of(
        "setpriv",
        "--reuid=" + ORDINARY_USER,
        "--regid=" + ORDINARY_USER,
        "--clear-groups",
        "--inh-caps=-all",
        "--");
  }

  /** Gives a file or directory to the ordinary user. */
  static void giveToOrdinaryUser(Path path) throws IOException {
    Files.setAttribute(path, "unix:uid", ORDINARY_USER);
    Files.setAttribute(path, "unix:gid", ORDINARY_USER);
  }

  /** The class path may lie below a home that others may not enter. */
  private static String readableClassPath(Path scratch) throws IOException {
    Path copies = scratch.resolve("class-path");
    List<String> copied = new ArrayList<>();
    boolean first = !Files.isDirectory(copies);
    Files.createDirectories(copies);
    Files.setPosixFilePermissions(copies, PosixFilePermissions.fromString("rwxr-xr-x"));
    int number = 0;
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
      Path from = Path.of(entry);
      Path to = copies.resolve(number++ + "-" + from.getFileName());
      if (first && Files.isDirectory(from)) {
        RealSpack.copy(from, to);
      } else if (first && Files.isRegularFile(from)) {
        try {
          Files.createLink(to, from);
        } catch (FileSystemException e) {
          Files.copy(from, to);
        }
      }
      copied.add(to.toString());
    }
    return String.join(File.pathSeparator, copied);
  }

  /** Reads what it says until a line with that text, or its end. */
  final String readUntil(String text) throws IOException {
    for (String line = output.readLine(); line != null; line = output.readLine()) {
      said.add(line);
      if (line.contains(text)) {
        break;
      }
    }
    return said();
  }

  String said() {
    return String.join("\n", said);
  }

  boolean isReady() {
    return said.contains("ready");
  }

  Process process() {
    return process;
  }

  /** As a crash or a power cut of the process: nothing of its own code runs any more. */
  void kill() throws InterruptedException {
    process.destroyForcibly();
    process.waitFor();
  }

  /** SIGTERM. Returns when it is gone, with all that it has said. */
  String stop(Duration limit) throws IOException, InterruptedException {
    // Process.destroy would close the stream that this reads.
    process.toHandle().destroy();
    String all = readUntil("\0");
    assertTrue(process.waitFor(limit.toSeconds(), TimeUnit.SECONDS), all);
    return all;
  }

  /** Stops it so that nothing of it is left, if it still runs. */
  @Override
  public void close() throws InterruptedException {
    process.destroy();
    if (!process.waitFor(60, TimeUnit.SECONDS)) {
      kill();
    }
  }

  /** Whether a process with that word in its command line runs anywhere on this host. */
  static boolean anyRuns(String word) {
    return RunningProcesses.any(line -> line.replace('\0', ' ').contains(word));
  }
}
