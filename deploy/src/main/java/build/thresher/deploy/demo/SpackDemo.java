package build.thresher.deploy.demo;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Two people with Spack and one farm: the first asks for a DAG, the farm builds it and Spack
 * installs it from the farm's mirror, signatures checked; the second asks for the same and nothing
 * is built.
 */
public final class SpackDemo {
  private static final String ROOT = "fl-suite";

  private final PrintStream out;
  private final SpackInstallation spack;
  private final Path programHome;
  private final Path directory;
  private final Map<String, String> farm;

  /**
   * @param programHome the assembled program, with bin/, spack-farm/ and spack-world/ in it
   * @param farm environment by which clients find the farm
   */
  public SpackDemo(
      PrintStream out,
      SpackInstallation spack,
      Path programHome,
      Path directory,
      Map<String, String> farm) {
    this.out = out;
    this.spack = spack;
    this.programHome = programHome;
    this.directory = directory;
    this.farm = Map.copyOf(farm);
  }

  /**
   * Makes the two their worlds, and solves; no farm is asked yet.
   *
   * @throws DemoException where this Spack cannot do it
   */
  public Prepared prepare() throws IOException, InterruptedException, DemoException {
    out.println(
        "Spack is " + spack.root() + ". Making two private worlds with a few small packages…");
    Path first = world("first");
    Path second = world("second");
    Path document = directory.resolve(ROOT + ".spec.json");
    Files.writeString(document, spackIn(first).quietly(command("spec", "--json", ROOT)));
    return new Prepared(first, second, document);
  }

  /** Two worlds, and what both ask for. */
  public record Prepared(Path first, Path second, Path document) {}

  /** Runs it all; returns when the second person has what the first one had built. */
  public void run(Prepared prepared) throws IOException, InterruptedException, DemoException {
    Path first = prepared.first();
    Path second = prepared.second();
    Path document = prepared.document();
    out.println("\n--- The first client has solved " + ROOT + " and asks the farm for it ---");
    Duration cold = farmInstall(first, document);
    proveInstalled(first);

    out.println("\n--- A second client, with an empty store of its own, asks for the same ---");
    Duration warm = farmInstall(second, document);
    proveInstalled(second);

    out.printf(
        "%nThe first client waited %.1f s, of which the farm built every node once; the second %.1f s,"
            + " without a build.%n",
        cold.toMillis() / 1000.0, warm.toMillis() / 1000.0);
  }

  private Path world(String name) throws IOException, InterruptedException, DemoException {
    Path world = directory.resolve(name);
    List<String> make =
        new ArrayList<>(
            List.of(
                "python3",
                programHome.resolve("spack-world/spack_world.py").toString(),
                world.toString(),
                spack.root().toString()));
    Path builtin = spack.builtin();
    if (builtin != null) {
      make.add(builtin.toString());
    }
    new Shell(out, Map.of(), directory).quietly(make.toArray(String[]::new));
    return world;
  }

  private Duration farmInstall(Path world, Path document)
      throws IOException, InterruptedException, DemoException {
    long start = System.nanoTime();
    spackIn(world).run(command("farm", "install", "--upload-sources", "-y", document.toString()));
    return Duration.ofNanos(System.nanoTime() - start);
  }

  /** What was installed runs, from its new place. */
  private void proveInstalled(Path world) throws IOException, InterruptedException, DemoException {
    Shell shell = spackIn(world);
    shell.run(command("find", "--format", "{hash:7} {name}@{version}"));
    String prefix = shell.quietly(command("location", "-i", "fl-top")).strip();
    shell.run(prefix.lines().reduce("", (before, line) -> line) + "/bin/fl-top");
  }

  private String[] command(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(spack.program().toString());
    command.add("-c");
    command.add("config:extensions:[" + programHome.resolve("spack-farm") + "]");
    command.addAll(List.of(arguments));
    return command.toArray(String[]::new);
  }

  private Shell spackIn(Path world) throws IOException {
    return new Shell(out, environmentOf(world), directory)
        .with(farm)
        .with(Map.of("SPACK_FARM_CLI", programHome.resolve("bin/thresher").toString()));
  }

  /** The variables that the world's env.sh sets. */
  private static Map<String, String> environmentOf(Path world) throws IOException {
    Map<String, String> environment = new HashMap<>();
    for (String line : Files.readAllLines(world.resolve("env.sh"))) {
      int equals = line.indexOf('=');
      if (line.startsWith("export ") && equals > 0 && !line.startsWith("export PATH")) {
        String value = line.substring(equals + 1);
        environment.put(
            line.substring("export ".length(), equals), value.substring(1, value.length() - 1));
      }
    }
    return environment;
  }
}
