package build.thresher.deploy;

import build.thresher.deploy.access.Tokens;
import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Runs a farm until SIGTERM or SIGINT. */
@Command(
    name = "serve",
    description =
        "Run a farm: scheduler, store, Spack mirror and, unless told not to, an executor.")
final class ServeCommand implements Callable<Integer> {
  private static final Logger log = LoggerFactory.getLogger(ServeCommand.class);

  @Mixin private final ConfigOptions options = new ConfigOptions();

  @Option(
      names = "--open",
      description = "Ask for no token on loopback: every user of this machine can use the farm.")
  private boolean open;

  @Option(names = "--no-executor", description = "Run no executor in this process.")
  private boolean noExecutor;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws Exception {
    Logs.toStandardError(Level.INFO);
    if (open) {
      options.settings.add(Key.OPEN.name() + "=true");
    }
    FarmConfig config = options.load(System.getenv());
    ShutdownSignal stop = new ShutdownSignal();
    try (FarmServer farm = FarmServer.start(config);
        FarmExecutor executor = localExecutor(config, farm)) {
      PrintWriter out = spec.commandLine().getOut();
      out.println("ready: grpc=" + farm.grpcTarget() + " http=" + farm.httpAddress());
      out.flush();
      stop.await();
    } finally {
      stop.done(); // also where the start failed: the process could not end
    }
    return 0;
  }

  private @Nullable FarmExecutor localExecutor(FarmConfig config, FarmServer farm)
      throws ConfigException, IOException {
    if (noExecutor || !config.get(Key.EXECUTOR_LOCAL)) {
      return null;
    }
    if (FarmExecutor.isPlain(config) && config.get(Key.ACTIONS_PLAIN).isEmpty()) {
      log.warn(
          "the executor of this process has no sandbox ({}: plain) and gets no work, for {} names no"
              + " instance that allows that",
          Key.EXECUTOR_SANDBOX.name(),
          Key.ACTIONS_PLAIN.name());
    }
    String token = config.get(Key.OPEN) ? null : Tokens.read(config.get(Key.TOKEN_FILE));
    return FarmExecutor.start(config, farm.localChannel(token));
  }
}
