package build.thresher.deploy;

import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Option;

/** Where the configuration comes from; the same for every command that has one. */
final class ConfigOptions {
  private static final Logger log = LoggerFactory.getLogger(ConfigOptions.class);

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description =
          "farm.yaml to read. Default: THRESHER_CONFIG, else ~/.config/thresher/farm.yaml where there is"
              + " one.")
  @Nullable Path file;

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description =
          "Sets one key of farm.yaml, for example --set executor.slots=4. May be repeated.")
  List<String> settings = new ArrayList<>();

  FarmConfig load(Map<String, String> environment) throws ConfigException, IOException {
    Path chosen = file;
    String named = environment.get("THRESHER_CONFIG");
    if (chosen == null && named != null) {
      chosen = Path.of(named);
    }
    Path usual = Path.of(System.getProperty("user.home"), ".config", "thresher", "farm.yaml");
    if (chosen == null && Files.exists(usual)) {
      chosen = usual;
    }
    FarmConfig.misspelt(environment)
        .forEach((name, meant) -> log.warn("{} is ignored; is {} meant?", name, meant));
    return FarmConfig.load(chosen, environment, settings);
  }
}
