package build.thresher.deploy;

import build.thresher.cas.client.FarmEndpoint;
import build.thresher.deploy.access.Tokens;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.demo.DemoException;
import build.thresher.deploy.demo.SpackDemo;
import build.thresher.deploy.demo.SpackInstallation;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Shows a farm at work and leaves nothing behind. */
@Command(
    name = "demo",
    description =
        "Start a farm in a temporary directory, build a real Spack DAG on it, install from it.")
final class DemoCommand implements Callable<Integer> {
  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "Use this directory and keep it. Default: a temporary one, removed at the end.")
  private @Nullable Path given;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws Exception {
    PrintStream out = System.out;
    Optional<SpackInstallation> spack = SpackInstallation.find(System.getenv());
    if (spack.isEmpty()) {
      out.println(
          "No Spack was found (SPACK_ROOT, PATH, ~/spack). To get it:\n"
              + "  git clone --depth=2 https://github.com/spack/spack.git ~/spack\n"
              + "then run this again.");
      return 1;
    }
    Path directory =
        given == null
            ? Files.createTempDirectory("thresher-demo-")
            : Files.createDirectories(given);
    // Where this is root, builds run as other users, who have to pass through.
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    int exit = 1;
    try {
      exit = demonstrate(out, spack.orElseThrow(), directory.toAbsolutePath());
    } catch (DemoException e) {
      spec.commandLine().getErr().println("thresher: error: " + e.getMessage());
    }
    if (given == null && exit == 0) {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    } else {
      out.println("Everything is kept in " + directory + " (the farm's own log: farm.log).");
    }
    return exit;
  }

  private int demonstrate(PrintStream out, SpackInstallation spack, Path directory)
      throws Exception {
    Path token = directory.resolve("token");
    FarmConfig config =
        FarmConfig.load(
            null,
            Map.of(),
            List.of(
                "data=" + directory.resolve("data"),
                "executor.work=" + directory.resolve("executor"),
                "executor.slots=" + Math.max(2, Runtime.getRuntime().availableProcessors() / 2),
                "access.token_file=" + token,
                "grpc.listen=127.0.0.1:0",
                "http.listen=127.0.0.1:0"));
    try (PrintStream log =
        new PrintStream(
            Files.newOutputStream(directory.resolve("farm.log")), true, StandardCharsets.UTF_8)) {
      Logs.toFile(log, Level.INFO);
      try (FarmServer farm = FarmServer.start(config);
          FarmExecutor executor =
              FarmExecutor.start(
                  config, new FarmEndpoint(farm.grpcTarget(), Tokens.read(token), null))) {
        out.println(
            "A farm runs in "
                + directory
                + ": gRPC on "
                + farm.grpcTarget()
                + ", the mirror on http://"
                + farm.httpAddress()
                + "/mirror/default, one executor.");
        new SpackDemo(
                out,
                spack,
                programHome(),
                directory,
                Map.of(
                    "THRESHER_SERVER", farm.grpcTarget(),
                    "THRESHER_TOKEN_FILE", token.toString(),
                    "XDG_CACHE_HOME", directory.resolve("cache").toString()))
            .run();
      }
      out.println("The farm has stopped.");
      return 0;
    }
  }

  private static Path programHome() throws IOException {
    String home = System.getProperty("thresher.home");
    if (home == null) {
      throw new IOException("thresher.home is not set; start the program by bin/thresher");
    }
    return Path.of(home);
  }
}
