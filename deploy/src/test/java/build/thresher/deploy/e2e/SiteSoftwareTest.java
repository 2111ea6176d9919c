package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Software that a site keeps outside of /usr, as clusters keep compilers and MPI. */
class SiteSoftwareTest {
  @Test
  void whatTheSiteInstalledIsUsedAsAnExternal(@TempDir Path directory) throws Exception {
    SpackWorld world = SpackWorld.make(directory.resolve("world"));
    world.spack("install", "-y", "fl-core").succeeded();
    String built = lastLine(world.spack("location", "-i", "fl-core").succeeded());
    // Not below /tmp, of which each build has its own.
    Path site = Files.createTempDirectory(Path.of("/var/tmp"), "thresher-site-");
    try {
      Files.setPosixFilePermissions(site, PosixFilePermissions.fromString("rwxr-xr-x"));
      Path prefix = site.resolve("fl-core/1.0");
      Files.createDirectories(site.resolve("fl-core"));
      Processes.run(directory, Map.of(), List.of("cp", "-r", built, prefix.toString())).succeeded();
      Files.writeString(
          world.directory().resolve("config/packages.yaml"),
          """
            fl-core:
              buildable: false
              externals:
              - spec: fl-core@1.0
                prefix: %s
          """
              .formatted(prefix),
          StandardOpenOption.APPEND);
      try (FarmUnderTest farm =
          FarmUnderTest.start(
              directory.resolve("farm"),
              "executor.host_paths=[" + site + "]",
              "executor.externals={fl-core@1.0: " + prefix + "}")) {
        Processes.Ended installed =
            world.farm(farm, "install", "--upload-sources", "-y", "fl-left");
        assertEquals(0, installed.exit(), installed.output());
        Path left = Path.of(lastLine(world.spack("location", "-i", "fl-left").succeeded()));
        Processes.Ended linked =
            Processes.run(
                directory, Map.of(), List.of("ldd", left.resolve("lib/libfl-left.so").toString()));
        assertTrue(
            linked.succeeded().output().contains(prefix.resolve("lib/libfl-core.so").toString()),
            linked.output());
      }
    } finally {
      MoreFiles.deleteRecursively(site, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  private static String lastLine(Processes.Ended ended) {
    return ended.output().strip().lines().reduce("", (before, line) -> line);
  }
}
