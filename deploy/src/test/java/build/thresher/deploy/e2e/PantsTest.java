package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pants 2.17, as it is installed, with a farm as its remote cache, over TLS. */
@Tag("long")
class PantsTest {
  private static final String INSTALL = "pip install pantsbuild.pants==2.17.1";

  private final Path directory;
  private final Path workspace;

  PantsTest(@TempDir Path directory) {
    this.directory = directory;
    this.workspace = directory.resolve("workspace");
  }

  @Test
  void overTlsItTakesFromTheFarmWhatItPutThere() throws Exception {
    Path pants = Tools.require("pants", INSTALL);
    Certificates certificates = Certificates.make(directory.resolve("certificates"));
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            certificates.settings("executor.local=false", "access.client_results=true"))) {
      makeWorkspace(farm, certificates.authority());
      String first = check(pants);
      assertTrue(first.contains("succeeded") && !first.contains("cached remotely"), first);
      String second = check(pants);
      assertTrue(second.contains("cached remotely"), second);
      Path other = Certificates.make(directory.resolve("other")).authority();
      String misled = check(pants, "--remote-ca-certs-path=" + other);
      assertTrue(!misled.contains("cached remotely"), misled);
    }
  }

  private void makeWorkspace(FarmUnderTest farm, Path authority) throws Exception {
    Files.createDirectories(workspace);
    // Pants takes the line break at the end of a token's file for a part of the token.
    Path token = directory.resolve("pants-token");
    Files.writeString(token, Files.readString(farm.tokenFile()).strip());
    Files.writeString(
        workspace.resolve("pants.toml"),
        """
        [GLOBAL]
        pants_version = "2.17.1"
        backend_packages = ["pants.backend.experimental.adhoc", "pants.backend.shell"]
        pantsd = false
        local_cache = false
        remote_cache_read = true
        remote_cache_write = true
        cache_content_behavior = "fetch"
        remote_store_address = "grpcs://%s"
        remote_ca_certs_path = "%s"
        remote_instance_name = "default"
        remote_oauth_bearer_token_path = "%s"
        """
            .formatted(farm.grpcAddress().replace("127.0.0.1", "localhost"), authority, token));
    Files.writeString(
        workspace.resolve("BUILD"),
        """
        # Pants runs a command while it asks the farm, and takes what is there first.
        experimental_test_shell_command(
            name="check", command="sleep 10; grep HELLO in.txt", tools=["grep", "sleep"], execution_dependencies=[":in"])
        files(name="in", sources=["in.txt"])
        """);
    Files.writeString(workspace.resolve("in.txt"), "HELLO\n");
  }

  private String check(Path pants, String... options) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                "sh", "-c", "cd \"$0\" && exec \"$@\"", workspace.toString(), pants.toString()));
    command.addAll(List.of(options));
    command.addAll(List.of("--no-dynamic-ui", "test", "//:check"));
    Map<String, String> environment =
        Map.of(
            "HOME",
            directory.resolve("home").toString(),
            "XDG_CACHE_HOME",
            directory.resolve("cache").toString());
    return Processes.run(directory, environment, command).succeeded().output();
  }
}
