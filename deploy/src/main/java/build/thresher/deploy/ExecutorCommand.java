package build.thresher.deploy;

import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import build.thresher.deploy.access.Tokens;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs an executor until SIGTERM or SIGINT. */
@Command(name = "executor", description = "Run an executor for a farm on this or another machine.")
final class ExecutorCommand implements Callable<Integer> {
  @Mixin private final ConfigOptions options = new ConfigOptions();

  @Option(
      names = "--server",
      paramLabel = "HOST:PORT",
      description = "gRPC address of the farm. Default: THRESHER_SERVER, else ${DEFAULT-VALUE}.",
      defaultValue = "${env:THRESHER_SERVER:-127.0.0.1:8980}")
  private String server = "";

  @Option(
      names = "--token-file",
      paramLabel = "FILE",
      description =
          "File with the farm's token. Default: THRESHER_TOKEN_FILE, else access.token_file.",
      defaultValue = "${env:THRESHER_TOKEN_FILE}")
  private @Nullable Path tokenFile;

  @Option(
      names = "--tls-ca",
      paramLabel = "FILE",
      description = "Certificate authority of the farm (PEM). Default: no TLS, for loopback.",
      defaultValue = "${env:THRESHER_TLS_CA}")
  private @Nullable Path certificateAuthority;

  @Override
  public Integer call() throws Exception {
    Logs.toStandardError(Level.INFO);
    FarmConfig config = options.load(System.getenv());
    FarmEndpoint farm = new FarmEndpoint(server, token(config), certificateAuthority);
    ShutdownSignal stop = new ShutdownSignal();
    try (FarmExecutor executor = FarmExecutor.start(config, FarmChannel.open(farm))) {
      stop.await();
    } finally {
      stop.done(); // also where the start failed: the process could not end
    }
    return 0;
  }

  private @Nullable String token(FarmConfig config) throws IOException {
    Path file = tokenFile == null ? config.get(Key.TOKEN_FILE) : tokenFile;
    return config.get(Key.OPEN) ? null : Tokens.read(file);
  }
}
