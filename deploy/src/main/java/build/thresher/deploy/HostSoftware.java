package build.thresher.deploy;

import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import build.thresher.executor.core.HostExternal;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Software of this machine that its administrator lends to builds, outside of /usr. */
final class HostSoftware {
  /** Of the system, or a build has its own. */
  private static final ImmutableSet<String> NEVER =
      ImmutableSet.of("/", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/tmp", "/var");

  private HostSoftware() {}

  /** The directories that builds may read. */
  static List<Path> paths(FarmConfig config) throws ConfigException {
    ImmutableList.Builder<Path> paths = ImmutableList.builder();
    for (String text : config.get(Key.EXECUTOR_HOST_PATHS)) {
      Path path = Path.of(text);
      if (!path.isAbsolute() || !path.equals(path.normalize()) || !Files.isDirectory(path)) {
        throw refused(Key.EXECUTOR_HOST_PATHS, text, "is no directory, or not its plain path");
      }
      if (NEVER.contains(text) || path.startsWith("/tmp")) {
        throw refused(
            Key.EXECUTOR_HOST_PATHS, text, "is the system's own; name the directories below it");
      }
      for (Path secret :
          List.of(
              config.get(Key.DATA), config.get(Key.TOKEN_FILE), config.get(Key.EXECUTOR_WORK))) {
        if (secret.toAbsolutePath().normalize().startsWith(path)) {
          throw refused(
              Key.EXECUTOR_HOST_PATHS, text, "holds " + secret + ", which builds must not read");
        }
      }
      paths.add(path);
    }
    return paths.build();
  }

  /** What specs may name as external. */
  static List<HostExternal> externals(FarmConfig config) throws ConfigException, IOException {
    List<Path> seen = Stream.concat(Stream.of(Path.of("/usr")), paths(config).stream()).toList();
    ImmutableList.Builder<HostExternal> externals = ImmutableList.builder();
    for (Map.Entry<String, String> one : config.get(Key.EXECUTOR_EXTERNALS).entrySet()) {
      String spec = one.getKey();
      int at = spec.indexOf('@');
      if (!spec.matches("[a-z0-9_][a-z0-9_-]*@[A-Za-z0-9._-]+")) {
        throw refused(Key.EXECUTOR_EXTERNALS, spec, "is not PACKAGE@VERSION");
      }
      Path prefix = Path.of(one.getValue());
      if (seen.stream().noneMatch(prefix.normalize()::startsWith)) {
        throw refused(
            Key.EXECUTOR_EXTERNALS,
            prefix.toString(),
            "is nothing that builds see: name it, or a directory above, in "
                + Key.EXECUTOR_HOST_PATHS.name());
      }
      if (!Files.isDirectory(prefix)) {
        throw refused(Key.EXECUTOR_EXTERNALS, prefix.toString(), "is no directory");
      }
      externals.add(HostExternal.at(spec.substring(0, at), spec.substring(at + 1), prefix));
    }
    return externals.build();
  }

  private static ConfigException refused(Key<?> key, String value, String why) {
    return new ConfigException(key.name() + ": `" + value + "` " + why);
  }
}
