package build.thresher.executor.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.client.LocalTree;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The corpus of attacks on the sandbox, and what stands on the host that they must not reach. Its
 * scripts are the resources beside {@code attacks/run.py}.
 */
public final class Attacks implements AutoCloseable {
  private static final List<String> SCRIPTS =
      List.of(
          "run.py",
          "attack.py",
          "files.py",
          "kernel.py",
          "privileges.py",
          "network.py",
          "processes.py",
          "shared.py");

  /** Fewer means that a family was not run. */
  private static final int AT_LEAST = 100;

  private static final Pattern LINE =
      Pattern.compile("^ATTACK ([a-z0-9-]+) (denied|private|ESCAPED): (.*)$", Pattern.MULTILINE);

  private final Process host;
  private final BufferedReader output;
  private final String canary;
  private final String world;

  /**
   * @param directory of the host, empty; its name must not hold the canary
   */
  public Attacks(Path directory) throws IOException {
    canary = "thresher-canary-" + ProcessHandle.current().pid();
    Files.write(directory.resolve("host.py"), script("host.py"));
    host =
        new ProcessBuilder(
                "python3", directory.resolve("host.py").toString(), directory.toString(), canary)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    output = host.inputReader(StandardCharsets.UTF_8);
    world = Objects.requireNonNull(output.readLine(), "host.py does not start");
  }

  /** A word that nothing inside may come to know. */
  public String canary() {
    return canary;
  }

  /** One of the scripts. */
  public static byte[] script(String name) throws IOException {
    try (InputStream in =
        Attacks.class.getResourceAsStream("/build/thresher/executor/attacks/" + name)) {
      return Objects.requireNonNull(in, name).readAllBytes();
    }
  }

  /** What an attack is told, with more of it. The canary itself is not to be found inside. */
  private byte[] world(Path work, Map<String, Object> more) {
    StringBuilder text = new StringBuilder(world.substring(0, world.length() - 1));
    Map<String, Object> all = new HashMap<>(more);
    all.put("work", work.toString());
    all.put("other", work.resolve("executors").toString());
    new TreeMap<>(all)
        .forEach((key, value) -> text.append(",\"").append(key).append("\":").append(json(value)));
    return text.append("}\n").toString().getBytes(StandardCharsets.UTF_8);
  }

  private static String json(Object value) {
    return switch (value) {
      case List<?> list -> "[" + String.join(",", list.stream().map(Attacks::json).toList()) + "]";
      case Boolean truth -> truth.toString();
      default -> "\"" + value + "\"";
    };
  }

  /** Adds the scripts to the inputs of an action, in a directory {@code attacks}. */
  public void addTo(LocalTree.Builder inputs, Path work, Map<String, Object> more)
      throws IOException {
    for (String name : SCRIPTS) {
      inputs.addBytes("attacks/" + name, script(name), false);
    }
    inputs.addBytes("attacks/world.json", world(work, more), false);
  }

  /** Writes the scripts below a directory, in one called {@code attacks}. */
  public void writeTo(Path directory, Path work, Map<String, Object> more) throws IOException {
    Path attacks = Files.createDirectory(directory.resolve("attacks"));
    for (String name : SCRIPTS) {
      Files.write(attacks.resolve(name), script(name));
    }
    Files.write(attacks.resolve("world.json"), world(work, more));
  }

  /** The real path of the Python that runs attacks. */
  public static String python() throws IOException {
    return Path.of("/usr/bin/python3").toRealPath().toString();
  }

  /** Adds a Python with what attacks import, at the paths that it has here. */
  public static void addPython(LocalTree.Builder inputs) throws IOException, InterruptedException {
    String program =
        """
        import collections, ctypes, encodings.utf_8, fcntl, glob, importlib, json, mmap, os, platform, resource
        import shutil, signal, socket, stat, struct, subprocess, sys, termios
        try:
            import encodings.idna
        except ImportError:
            pass
        found = [getattr(m, "__file__", None) for m in list(sys.modules.values())]
        for library in {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}:
            names = glob.glob(os.path.dirname(library) + "/*.so*")
            found += [n for n in names if os.path.realpath(n) == os.path.realpath(library)]
        found += ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
        print("\\n".join(sorted({f for f in found if f and os.path.exists(f)})))
        """;
    Process process = new ProcessBuilder(python(), "-S", "-c", program).start();
    String files = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor());
    for (String file : files.lines().toList()) {
      inputs.addFile(file.substring(1), Path.of(file), true);
    }
    inputs.addFile(python().substring(1), Path.of(python()), true);
  }

  /**
   * Reads what {@code run.py} printed, and keeps it in target/attacks.
   *
   * @param mode for messages and the name of the file
   */
  public void check(String mode, String printed) throws IOException, InterruptedException {
    Path report = Files.createDirectories(Path.of("target/attacks"));
    Files.writeString(report.resolve(mode.replace(' ', '-') + ".txt"), printed);
    assertTrue(printed.contains("ATTACKS DONE"), () -> mode + ":\n" + printed);
    List<String> escaped = new ArrayList<>();
    int count = 0;
    Matcher lines = LINE.matcher(printed);
    while (lines.find()) {
      count++;
      if (lines.group(2).equals("ESCAPED")) {
        escaped.add(lines.group());
      }
    }
    assertEquals(List.of(), escaped, mode);
    assertTrue(count >= AT_LEAST, mode + ": only " + count + " attacks:\n" + printed);
    assertTrue(host.isAlive(), mode + ": the process of the host was hit");
    assertEquals(List.of(), hits(), mode);
  }

  /** Names of attacks that reached something. */
  public static Set<String> worked(String printed) {
    Set<String> worked = new HashSet<>();
    Matcher lines = LINE.matcher(printed);
    while (lines.find()) {
      if (!lines.group(2).equals("denied")) {
        worked.add(lines.group(1));
      }
    }
    return worked;
  }

  /** Visits to what stands on the host. */
  private List<String> hits() throws IOException {
    List<String> hits = new ArrayList<>();
    while (output.ready()) {
      hits.add(output.readLine());
    }
    return hits;
  }

  /** Everything below directories, but for what says when it was last used. */
  public static List<String> state(Path... roots) throws IOException {
    List<String> state = new ArrayList<>();
    for (Path root : roots) {
      try (Stream<Path> files = Files.walk(root)) {
        for (Path file : files.sorted().toList()) {
          boolean regular = Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS);
          Map<String, Object> a =
              Files.readAttributes(file, "unix:mode,uid,size", LinkOption.NOFOLLOW_LINKS);
          state.add(file + " " + a + (regular ? LocalTree.hash(file) : ""));
        }
      }
    }
    return state;
  }

  /** What actions left in an executor's directory of them, but for what it gives the next one. */
  public static List<Path> leftovers(Path actions) {
    try (Stream<Path> found = Files.walk(actions)) {
      return found
          .map(actions::relativize)
          .filter(path -> !path.toString().matches("(\\d+(/own(/[a-z]+)?)?)?"))
          .toList();
    } catch (IOException | UncheckedIOException e) {
      return List.of(actions); // It is being cleared.
    }
  }

  /** The visible directories in one. */
  public static List<Path> children(Path directory) throws IOException {
    try (Stream<Path> children = Files.list(directory)) {
      return children
          .filter(p -> Files.isDirectory(p) && !String.valueOf(p.getFileName()).startsWith("."))
          .toList();
    }
  }

  @Override
  public void close() throws IOException, InterruptedException {
    host.getOutputStream().close();
    if (!host.waitFor(10, TimeUnit.SECONDS)) {
      host.destroyForcibly();
    }
  }
}
