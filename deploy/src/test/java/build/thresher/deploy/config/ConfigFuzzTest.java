package build.thresher.deploy.config;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;

/** What administrators and users write, and what got into it by mistake. */
class ConfigFuzzTest extends HostileBytes {
  @TempDir Path scratch;

  @Hostile
  void aConfigurationIsRefusedInWordsOrHasEveryKey(byte[] yaml) throws IOException {
    Path file = Files.write(scratch.resolve("farm.yaml"), yaml);
    try {
      FarmConfig config = FarmConfig.load(file, Map.of(), List.of());
      Key.ALL.forEach(config::get);
    } catch (ConfigException e) {
      return;
    }
  }

  @Hostile
  void aFlagIsRefusedInWordsOrAValue(byte[] utf8) throws IOException {
    try {
      FarmConfig.load(null, Map.of(), List.of(new String(utf8, StandardCharsets.UTF_8)));
    } catch (ConfigException e) {
      return;
    }
  }
}
