package build.thresher.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.executor.core.HostExternal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HostSoftwareTest {
  private static FarmConfig config(String... settings) throws Exception {
    List<String> all = new ArrayList<>(List.of("executor.work=/usr/share/thresher-work"));
    all.addAll(List.of(settings));
    return FarmConfig.load(null, Map.of(), all);
  }

  private static void refused(String why, String... settings) throws Exception {
    FarmConfig config = config(settings);
    ConfigException e = assertThrows(ConfigException.class, () -> HostSoftware.externals(config));
    assertTrue(e.toString().contains(why), e.toString());
  }

  @Test
  void directoriesOfTheSystemAndOfTheFarmAreNotShown() throws Exception {
    for (String path : List.of("/", "/etc", "/root", "/tmp", "/var")) {
      refused("the system's own", "executor.host_paths=[" + path + "]");
    }
    refused("builds must not read", "executor.host_paths=[/usr/share]");
    refused("is no directory", "executor.host_paths=[/no/such]");
    refused("plain path", "executor.host_paths=[/usr/../etc]");
    refused("plain path", "executor.host_paths=[usr]");
  }

  @Test
  void anExternalLiesWhereBuildsSeeIt() throws Exception {
    refused("executor.host_paths", "executor.externals={gcc@13.2.0: /opt/gcc}");
    refused("executor.host_paths", "executor.externals={gcc@13.2.0: /usr/../opt/gcc}");
    refused("is no directory", "executor.externals={gcc@13.2.0: /usr/no/such}");
    refused("PACKAGE@VERSION", "executor.externals={gcc: /usr}");
    refused("PACKAGE@VERSION", "executor.externals={gcc@13 %x: /usr}");
  }

  @Test
  void whatIsNamedIsOfferedAsItIsNamed() throws Exception {
    FarmConfig config =
        config("executor.host_paths=[/usr/lib]", "executor.externals={cray-mpich@8.1: /usr/lib}");
    assertEquals(List.of(Path.of("/usr/lib")), HostSoftware.paths(config));
    assertEquals(
        List.of(new HostExternal("cray-mpich", "8.1", "/usr/lib", "")),
        HostSoftware.externals(config));
  }
}
