package build.thresher.deploy;

import build.thresher.deploy.config.FarmConfig;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Explains the configuration, or checks one. */
@Command(
    name = "config",
    description =
        "Print every key of farm.yaml with its unit and default, or check a configuration.")
final class ConfigCommand implements Callable<Integer> {
  @Mixin private final ConfigOptions options = new ConfigOptions();

  @Option(names = "--check", description = "Read the configuration and say whether it is right.")
  private boolean check;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws Exception {
    if (check) {
      options.load(System.getenv());
      spec.commandLine().getOut().println("the configuration is right");
    } else {
      spec.commandLine().getOut().print(FarmConfig.documentation());
    }
    spec.commandLine().getOut().flush();
    return 0;
  }
}
