package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** moon, as it is installed, with a farm as its remote cache. */
class MoonTest {
  private static final String INSTALL = "npm install -g @moonrepo/cli";

  private final Path directory;

  MoonTest(@TempDir Path directory) {
    this.directory = directory;
  }

  @Test
  void whatOneBuiltAnotherTakesFromTheFarmAndAChangeIsBuilt() throws Exception {
    Path moon = Tools.require("moon", INSTALL);
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"), "executor.local=false", "access.client_results=true")) {
      Path one = workspace("one", farm);
      String first = run(moon, one, farm);
      assertTrue(!first.contains("cached from remote"), first);
      Path two = workspace("two", farm);
      String second = run(moon, two, farm);
      assertTrue(second.contains("app:build (cached from remote"), second);
      assertEquals("HELLO\n", Files.readString(two.resolve("app/out/deep/WORD.txt")));
      // More than a batch holds, so it goes through ByteStream, compressed.
      assertEquals(-1, Files.mismatch(one.resolve("app/out/large"), two.resolve("app/out/large")));
      Files.writeString(two.resolve("app/word.txt"), "other\n");
      String changed = run(moon, two, farm);
      assertTrue(!changed.contains("cached from remote"), changed);
      assertEquals("OTHER\n", Files.readString(two.resolve("app/out/deep/WORD.txt")));
    }
  }

  /** moon runs tasks itself: what of the farm can go away is the cache. */
  @Tag("long")
  @Test
  void aServerThatIsKilledInMidBuildTakesWhatIsBuiltAfterwards() throws Exception {
    Path moon = Tools.require("moon", INSTALL);
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"), "executor.local=false", "access.client_results=true")) {
      Path one = workspace("one", farm);
      Path mark = directory.resolve("go-on");
      Files.writeString(one.resolve("app/wait.sh"), waitFor(mark));
      Processes.Running first = start(moon, one, farm, "app:late");
      Processes.until(
          "the first task is done and the second runs",
          () -> !Processes.withCommandLineEnd("sh wait.sh").isEmpty());
      farm.killServer();
      farm.startServer();
      Files.createFile(mark);
      first.await().succeeded();
      Path two = workspace("two", farm);
      Files.writeString(two.resolve("app/wait.sh"), waitFor(mark));
      // Of the first task it depends on what had arrived: moon uploads while it goes on, and does
      // not try again what broke off.
      String second = start(moon, two, farm, "app:late").await().succeeded().output();
      assertTrue(second.contains("app:late (cached from remote"), second);
      assertEquals("late\n", Files.readString(two.resolve("app/late.txt")));
    }
  }

  private static String waitFor(Path mark) {
    return "while test ! -e %s; do sleep 0.1; done; echo late > late.txt\n".formatted(mark);
  }

  @Tag("long")
  @Test
  void overTlsItTrustsTheAuthorityThatItWasToldAndNoOther() throws Exception {
    Path moon = Tools.require("moon", INSTALL);
    Certificates certificates = Certificates.make(directory.resolve("certificates"));
    Path other = Certificates.make(directory.resolve("other")).authority();
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            certificates.settings(
                "executor.local=false",
                "access.client_results=true",
                "tls.client_ca=" + certificates.authority()))) {
      Path one = workspace("one", farm);
      trust(one, certificates.authority());
      String first = run(moon, one, farm);
      assertTrue(!first.contains("cached from remote"), first);
      Path two = workspace("two", farm);
      trust(two, certificates.authority());
      String second = run(moon, two, farm);
      assertTrue(second.contains("app:build (cached from remote"), second);
      Path misled = workspace("three", farm);
      trust(misled, other);
      String third = run(moon, misled, farm);
      assertTrue(!third.contains("cached from remote"), third);
      Path certified = workspace("four", farm);
      certify(certified, certificates);
      run(moon, certified, farm);
      Path alike = workspace("five", farm); // moon's settings are part of a task's key
      certify(alike, certificates);
      String fifth = run(moon, alike, farm);
      assertTrue(fifth.contains("app:build (cached from remote"), fifth);
    }
  }

  private static void trust(Path workspace, Path authority) throws Exception {
    Files.copy(authority, workspace.resolve("ca.pem"));
    Path settings = workspace.resolve(".moon/workspace.yml");
    Files.writeString(
        settings,
        Files.readString(settings)
            .replace("grpc://127.0.0.1", "grpcs://127.0.0.1")
            .replace("  auth:\n", "  tls:\n    cert: ca.pem\n    domain: localhost\n  auth:\n"));
  }

  /** It sends no token, but shows a certificate. */
  private static void certify(Path workspace, Certificates certificates) throws Exception {
    Files.copy(certificates.authority(), workspace.resolve("ca.pem"));
    Files.copy(certificates.client(), workspace.resolve("client.pem"));
    Files.copy(certificates.clientKey(), workspace.resolve("client-key.pem"));
    Path settings = workspace.resolve(".moon/workspace.yml");
    Files.writeString(
        settings,
        Files.readString(settings)
            .replace("grpc://127.0.0.1", "grpcs://127.0.0.1")
            .replace(
                "  auth:\n    token: THRESHER_TOKEN\n",
                """
                  mtls:
                    caCert: ca.pem
                    clientCert: client.pem
                    clientKey: client-key.pem
                    domain: localhost
                """));
  }

  private Path workspace(String name, FarmUnderTest farm) throws Exception {
    Path workspace = Files.createDirectories(directory.resolve(name));
    Files.createDirectories(workspace.resolve(".moon"));
    Files.createDirectories(workspace.resolve("app"));
    Files.writeString(
        workspace.resolve(".moon/workspace.yml"),
        """
        projects:
          app: app
        remote:
          api: grpc
          host: grpc://%s
          auth:
            token: THRESHER_TOKEN
          cache:
            instanceName: default
        telemetry: false
        """
            .formatted(farm.grpcAddress()));
    Files.writeString(
        workspace.resolve("app/moon.yml"),
        """
        tasks:
          build:
            command: sh build.sh
            inputs: [word.txt, build.sh]
            outputs: [out]
            toolchain: system
          late:
            command: sh wait.sh
            deps: [build]
            inputs: [word.txt]
            outputs: [late.txt]
            toolchain: system
        """);
    Files.writeString(workspace.resolve("app/word.txt"), "hello\n");
    Files.writeString(
        workspace.resolve("app/build.sh"),
        """
        mkdir -p out/deep
        tr a-z A-Z < word.txt > out/deep/WORD.txt
        head -c 6000000 /dev/urandom > out/large
        """);
    Processes.run(
            directory,
            Map.of("GIT_CONFIG_GLOBAL", "/dev/null"),
            List.of(
                "sh",
                "-ec",
                "cd \"$0\"; git init -q -b main; git -c user.name=x -c user.email=x@localhost"
                    + " commit -q --allow-empty -m first",
                workspace.toString()))
        .succeeded();
    return workspace;
  }

  private String run(Path moon, Path workspace, FarmUnderTest farm) throws Exception {
    return start(moon, workspace, farm, "app:build").await().succeeded().output();
  }

  private Processes.Running start(Path moon, Path workspace, FarmUnderTest farm, String task)
      throws Exception {
    Map<String, String> environment = new HashMap<>();
    environment.put("HOME", directory.resolve("home").toString());
    environment.put("THRESHER_TOKEN", Files.readString(farm.tokenFile()).strip());
    environment.put("MOON_TOOLCHAIN_FORCE_GLOBALS", "1");
    environment.put("NO_COLOR", "1");
    return Processes.startIn(
        directory,
        environment,
        List.of(
            "sh", "-c", "cd \"$0\" && exec \"$1\" run \"$2\"", workspace + "", moon + "", task));
  }
}
