package build.thresher.deploy;

import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.deploy.access.Tokens;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.demo.ActionDemo;
import build.thresher.deploy.demo.DemoException;
import build.thresher.deploy.demo.SpackDemo;
import build.thresher.deploy.demo.SpackInstallation;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.grpc.ManagedChannel;
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
        "Start a farm in a temporary directory, build a real Spack DAG on it, install from it; where there"
            + " is no Spack, build a C program through the Remote Execution API.")
final class DemoCommand implements Callable<Integer> {
  private static final String GET_SPACK =
      "No Spack was found or used (SPACK_ROOT, PATH, ~/spack). To get it:\n"
          + "  git clone --depth=2 https://github.com/spack/spack.git ~/spack\n"
          + "then run this again.";

  private static final String GET_RECIPES =
      "It needs its packages and clingo. To get the packages:\n"
          + "  git clone --depth=2 https://github.com/spack/spack-packages.git ~/spack-packages\n"
          + "(or name a clone in SPACK_PACKAGES), then run this again.";

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "Use this directory and keep it. Default: a temporary one, removed at the end.")
  private @Nullable Path given;

  @Option(names = "--actions", description = "Build the C program also where there is a Spack.")
  private boolean actions;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws Exception {
    PrintStream out = System.out;
    Optional<SpackInstallation> spack =
        actions ? Optional.empty() : SpackInstallation.find(System.getenv());
    Optional<String> compiler = ActionDemo.compiler();
    if (spack.isEmpty() && compiler.isEmpty()) {
      out.println("There is neither a Spack nor a C compiler here. " + GET_SPACK);
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
      exit = demonstrate(out, spack, compiler, directory.toAbsolutePath());
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

  private static int demonstrate(
      PrintStream out, Optional<SpackInstallation> spack, Optional<String> compiler, Path directory)
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
              FarmExecutor.start(config, farm.localChannel(Tokens.read(token)))) {
        out.println(
            "A farm runs in "
                + directory
                + ": gRPC on "
                + farm.grpcTarget()
                + ", the mirror on http://"
                + farm.httpAddress()
                + "/mirror/default, one executor.");
        FarmEndpoint endpoint = new FarmEndpoint(farm.grpcTarget(), Tokens.read(token), null);
        if (spack.isEmpty()) {
          actions(out, endpoint, compiler.orElseThrow());
          out.println("\nThis was a build without Spack. " + GET_SPACK);
          return 0;
        }
        SpackDemo.Prepared prepared;
        SpackDemo demo =
            new SpackDemo(
                out,
                spack.get(),
                programHome(),
                directory,
                Map.of(
                    "THRESHER_SERVER", farm.grpcTarget(),
                    "THRESHER_TOKEN_FILE", token.toString(),
                    "XDG_CACHE_HOME", directory.resolve("cache").toString()));
        try {
          prepared = demo.prepare();
        } catch (DemoException e) {
          if (compiler.isEmpty()) {
            throw e;
          }
          out.println(e.getMessage());
          actions(out, endpoint, compiler.get());
          out.println(
              "\nThis was a build without Spack, which could not be used here. " + GET_RECIPES);
          return 0;
        }
        demo.run(prepared);
      }
      out.println("The farm has stopped.");
      return 0;
    }
  }

  private static void actions(PrintStream out, FarmEndpoint endpoint, String compiler)
      throws Exception {
    ManagedChannel channel = FarmChannel.open(endpoint);
    try (RemoteBlobStore store = new RemoteBlobStore(channel, "")) {
      ActionDemo.run(out, channel, store, compiler);
    } finally {
      channel.shutdownNow();
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
