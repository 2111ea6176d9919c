package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pants 2.17, as it is installed, with a farm that runs its commands, or is its cache over TLS. */
@Tag("long")
class PantsTest {
  private static final String INSTALL = "pip install pantsbuild.pants==2.17.1";
  private static final String RUNNING = "Starting: Running the `shell_command` at `//:%s`";

  /** Twelve seconds and more: Pants also looks for its tools on the farm, which takes none. */
  private static final Pattern NAP_ENDED = Pattern.compile(": exit code 0 in [1-9]\\d{4,} ms");

  private final Path directory;
  private final Path workspace;
  private Path pants;

  PantsTest(@TempDir Path directory) {
    this.directory = directory;
    this.workspace = directory.resolve("workspace");
  }

  /**
   * Commands name their programs by their paths: Pants writes {@code {chroot}} into the PATH of
   * those that it has run elsewhere, which nobody there replaces.
   */
  @BeforeEach
  void makeWorkspace() throws Exception {
    pants = Tools.require("pants", INSTALL);
    Files.createDirectories(workspace);
    Files.writeString(
        workspace.resolve("BUILD"),
        """
        files(name="in", sources=["in.txt"])
        files(name="other", sources=["other.txt"])
        shell_command(name="upper", command="/usr/bin/tr a-z A-Z < in.txt > upper.txt", tools=["tr"],
            execution_dependencies=[":in"], output_files=["upper.txt"])
        shell_command(name="lower", command="/usr/bin/tr A-Z a-z < other.txt > lower.txt", tools=["tr"],
            execution_dependencies=[":other"], output_files=["lower.txt"])
        experimental_test_shell_command(name="both", command="/usr/bin/grep HELLO upper.txt && /bin/cat lower.txt",
            tools=["grep"], execution_dependencies=[":upper", ":lower"])
        shell_command(name="nap", command="/bin/sleep 12.0711 && /bin/cp in.txt nap.txt", tools=["cp"],
            execution_dependencies=[":in"], output_files=["nap.txt"])
        experimental_test_shell_command(name="rested", command="/usr/bin/grep hello nap.txt", tools=["grep"],
            execution_dependencies=[":nap"])
        # Pants runs a command while it asks the farm for its result, and takes what is there first.
        experimental_test_shell_command(name="cached", command="/bin/sleep 10; /usr/bin/grep hello in.txt",
            tools=["grep"], execution_dependencies=[":in"])
        """);
    Files.writeString(workspace.resolve("in.txt"), "hello\n");
    Files.writeString(workspace.resolve("other.txt"), "OTHER\n");
  }

  @Test
  void itsCommandsRunOnTheFarmOnceAndAfterAChangeWhatDependsOnIt() throws Exception {
    try (FarmUnderTest farm = FarmUnderTest.start(directory.resolve("farm"))) {
      runsOn(farm);
      String first = test("one", "both");
      assertTrue(first.contains(RUNNING.formatted("upper")), first);
      assertTrue(first.contains(RUNNING.formatted("lower")), first);
      String second = test("another", "both");
      assertFalse(second.contains("Starting: Running"), second);
      assertTrue(second.contains("cached remotely"), second);
      Files.writeString(workspace.resolve("in.txt"), "hello again\n");
      String changed = test("another", "both");
      assertTrue(changed.contains(RUNNING.formatted("upper")), changed);
      assertFalse(changed.contains(RUNNING.formatted("lower")), changed);
    }
  }

  @Test
  void anExecutorAndThenTheServerAreKilledInMidBuild() throws Exception {
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"), "executor.local=false", "scheduler.lease_term=20s")) {
      runsOn(farm);
      farm.startExecutor("first");
      Processes.Running running = start("one", "rested");
      Processes.untilRunning("sleep 12.0711", running);
      farm.killExecutors();
      Processes.until(
          "the killed executor's command is gone",
          () -> Processes.withCommandLineEnd("sleep 12.0711").isEmpty());
      farm.startExecutor("second");
      Processes.untilRunning("sleep 12.0711", running);
      farm.killServer();
      farm.startServer();
      String said = running.await().succeeded().output();
      assertTrue(said.contains("//:rested succeeded"), said);
      assertEquals(1, NAP_ENDED.matcher(farm.logs()).results().count(), farm.logs());
    }
  }

  @Test
  void overTlsItTakesFromTheFarmWhatItPutThere() throws Exception {
    Certificates certificates = Certificates.make(directory.resolve("certificates"));
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            certificates.settings("executor.local=false", "access.client_results=true"))) {
      configure(
          farm,
          """
          remote_cache_write = true
          cache_content_behavior = "fetch"
          remote_store_address = "grpcs://%s"
          remote_ca_certs_path = "%s"
          """
              .formatted(
                  farm.grpcAddress().replace("127.0.0.1", "localhost"), certificates.authority()));
      String first = test("one", "cached");
      assertTrue(first.contains("succeeded") && !first.contains("cached remotely"), first);
      String second = test("one", "cached");
      assertTrue(second.contains("cached remotely"), second);
      Path other = Certificates.make(directory.resolve("other")).authority();
      String misled = test("one", "cached", "--remote-ca-certs-path=" + other);
      assertTrue(!misled.contains("cached remotely"), misled);
    }
  }

  private void runsOn(FarmUnderTest farm) throws Exception {
    configure(
        farm,
        """
        remote_execution = true
        remote_store_address = "grpc://%s"
        remote_execution_address = "grpc://%s"
        """
            .formatted(farm.grpcAddress(), farm.grpcAddress()));
  }

  private void configure(FarmUnderTest farm, String remote) throws Exception {
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
        remote_instance_name = "default"
        remote_oauth_bearer_token_path = "%s"
        """
                .formatted(token)
            + remote);
  }

  private String test(String user, String target, String... options) throws Exception {
    return start(user, target, options).await().succeeded().output();
  }

  /**
   * @param user has a home and caches of its own
   */
  private Processes.Running start(String user, String target, String... options) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                "sh", "-c", "cd \"$0\" && exec \"$@\"", workspace.toString(), pants.toString()));
    command.addAll(List.of(options));
    command.addAll(List.of("--no-dynamic-ui", "test", "//:" + target));
    Path home = directory.resolve(user);
    Map<String, String> environment =
        Map.of("HOME", home.toString(), "XDG_CACHE_HOME", home.resolve("cache").toString());
    return Processes.startIn(directory, environment, command);
  }
}
