package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * BuildStream, as it is installed, builds on a farm. Its sandbox is the input root alone, so the
 * project brings a shell with its libraries; and it sends a token over TLS only, so the farm is
 * open.
 */
class BuildStreamTest {
  private static final String INSTALL = "pip install buildstream";

  private static final Path PROJECT =
      Path.of("src/test/resources/buildstream-project").toAbsolutePath();

  private final Path directory;
  private final Path project;

  BuildStreamTest(@TempDir Path directory) {
    this.directory = directory;
    this.project = directory.resolve("project");
  }

  @Test
  void oneBuildsAnotherTakesTheResultAndAChangeIsBuilt() throws Exception {
    Path bst = Tools.require("bst", INSTALL);
    makeProject();
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            "access.open=true",
            "instances=[default,buildstream]",
            "actions.properties=[buildstream:chrootIntoInputRoot=true]")) {
      String first = build(bst, farm, "one");
      assertTrue(!first.contains("Action result found"), first);
      String second = build(bst, farm, "two");
      assertTrue(second.contains("Action result found in action cache"), second);
      assertEquals("HELLO\n", Files.readString(directory.resolve("two-out/share/word.txt")));
      Files.writeString(project.resolve("files/hello/word.txt"), "other\n");
      String changed = build(bst, farm, "three");
      assertTrue(!changed.contains("Action result found"), changed);
      assertEquals("OTHER\n", Files.readString(directory.resolve("three-out/share/word.txt")));
    }
  }

  @Tag("long")
  @Test
  void anExecutorAndThenTheServerAreKilledInMidBuildAndWhatWasBuiltIsNotBuiltAgain()
      throws Exception {
    Path bst = Tools.require("bst", INSTALL);
    makeProject();
    // Built after hello.bst, for longer than an executor or the server is away.
    Files.writeString(
        project.resolve("elements/late.bst"),
        """
        kind: manual
        build-depends:
        - base.bst
        - hello.bst
        environment:
          PATH: /bin
        config:
          build-commands:
          - sleep 15.0611
          install-commands:
          - mkdir -p "%{install-root}"
          - cp /share/word.txt "%{install-root}/late.txt"
          strip-commands:
          - "true"
        """);
    Certificates certificates = Certificates.make(directory.resolve("certificates"));
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            certificates.settings(
                "executor.local=false",
                "scheduler.lease_term=20s",
                "instances=[default,buildstream]",
                "actions.properties=[buildstream:chrootIntoInputRoot=true]"))) {
      farm.trust(certificates.authority());
      farm.startExecutor("first");
      String address = farm.grpcAddress().replace("127.0.0.1", "localhost");
      Path settings = settings("one", tls(address, certificates.authority(), farm.tokenFile()));
      Processes.Running running = start(bst, settings, "build", "late.bst");
      Processes.untilRunning("sleep 15.0611", running);
      farm.killExecutors();
      Processes.until(
          "the killed executor's build is gone",
          () -> Processes.withCommandLineEnd("sleep 15.0611").isEmpty());
      farm.startExecutor("second");
      Processes.untilRunning("sleep 15.0611", running);
      farm.killServer();
      farm.startServer();
      String said = running.await().succeeded().output();
      run(bst, settings, "artifact", "checkout", "late.bst", "--directory", "late-out");
      assertEquals("HELLO\n", Files.readString(directory.resolve("late-out/late.txt")), said);
      assertEquals(2, farm.logs().split(": exit code 0 in", -1).length - 1, farm.logs());
    }
  }

  @Tag("long")
  @Test
  void overTlsItSendsItsTokenAndArtifactsAreSharedThroughRemoteAsset() throws Exception {
    Path bst = Tools.require("bst", INSTALL);
    makeProject();
    Certificates certificates = Certificates.make(directory.resolve("certificates"));
    Path other = Certificates.make(directory.resolve("other")).authority();
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            certificates.settings(
                "access.client_results=true",
                "instances=[default,buildstream]",
                "actions.properties=[buildstream:chrootIntoInputRoot=true]"))) {
      String address = farm.grpcAddress().replace("127.0.0.1", "localhost");
      String service = tls(address, certificates.authority(), farm.tokenFile());
      String artifacts = "artifacts:\n  servers:\n  -" + service.substring(3) + "    push: true\n";
      String first = run(bst, settings("one", service, artifacts), "build", "hello.bst");
      assertTrue(first.contains("Pushed artifact"), first);
      // Without an execution service: what it does not pull it would have to build here.
      Path pulling = directory.resolve("two.conf");
      Files.writeString(pulling, directories("two") + artifacts);
      String second = run(bst, pulling, "artifact", "pull", "hello.bst");
      assertTrue(second.contains("Pulled artifact"), second);
      run(bst, pulling, "artifact", "checkout", "hello.bst", "--directory", "two-out");
      assertEquals("HELLO\n", Files.readString(directory.resolve("two-out/share/word.txt")));
      Path misled = settings("three", tls(address, other, farm.tokenFile()));
      assertNotEquals(0, start(bst, misled, "build", "hello.bst").await().exit());
    }
  }

  private static String tls(String address, Path authority, Path token) {
    return "    url: https://%s\n    instance-name: buildstream\n".formatted(address)
        + "    auth:\n      server-cert: %s\n      access-token: %s\n".formatted(authority, token)
        // Without it buildbox gives up before the server is back.
        + "    connection-config:\n      retry-limit: 8\n      retry-delay: 1000\n";
  }

  private void makeProject() throws Exception {
    Processes.run(directory, Map.of(), List.of("cp", "-r", PROJECT.toString(), project.toString()))
        .succeeded();
    // The programs of this machine, with the libraries that they name.
    Processes.run(
            directory,
            Map.of(),
            List.of(
                "sh",
                "-ec",
                """
                mkdir -p "$0/bin" "$0/tmp" "$0/dev" "$0/proc"
                touch "$0/tmp/.keep" "$0/dev/.keep" "$0/proc/.keep"
                for name in sh cat tr mkdir cp rm chmod find sleep; do
                  program=$(readlink -f "$(command -v $name)")
                  cp "$program" "$0/bin/$name"
                  for library in $(ldd "$program" | grep -o '/[^ ]*'); do
                    mkdir -p "$0$(dirname $library)"
                    cp -L $library "$0$library"
                  done
                done
                """,
                project.resolve("files/base").toString()))
        .succeeded();
  }

  /** With a cache of its own, as on another machine. */
  private String build(Path bst, FarmUnderTest farm, String name) throws Exception {
    Path settings = settings(name, service(farm.grpcAddress()));
    String said = run(bst, settings, "build", "hello.bst");
    Path out = directory.resolve(name + "-out");
    run(bst, settings, "artifact", "checkout", "hello.bst", "--directory", out.toString());
    return said;
  }

  private static String service(String address) {
    return "    url: http://%s\n    instance-name: buildstream\n".formatted(address);
  }

  private String directories(String name) {
    return "cachedir: %1$s/%2$s-cache\nsourcedir: %1$s/sources\nlogdir: %1$s/logs\n"
        .formatted(directory, name);
  }

  private Path settings(String name, String service, String... more) throws Exception {
    return Files.writeString(
        directory.resolve(name + ".conf"),
        directories(name)
            + "remote-execution:\n"
            + "  execution-service:\n"
            + service
            + "  storage-service:\n"
            + service
            + "  action-cache-service:\n"
            + service
            + String.join("", more));
  }

  private String run(Path bst, Path settings, String... arguments) throws Exception {
    return start(bst, settings, arguments).await().succeeded().output();
  }

  private Processes.Running start(Path bst, Path settings, String... arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                "sh",
                "-c",
                "cd \"$0\" && exec \"$@\"",
                directory.toString(),
                bst.toString(),
                "--no-interactive",
                "--no-colors",
                "--config",
                settings.toString(),
                "--directory",
                project.toString()));
    command.addAll(List.of(arguments));
    return Processes.startIn(directory, Map.of("HOME", directory.toString()), command);
  }
}
