package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * BuildStream, as it is installed, builds on a farm. Its sandbox is the input root alone, so the
 * project brings a shell with its libraries; and it sends a token over TLS only, so the farm is
 * open.
 */
class BuildStreamTest {
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
    Optional<Path> bst = Tools.find("bst");
    assumeTrue(bst.isPresent(), "no BuildStream on this host (pip install buildstream)");
    makeProject();
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            "access.open=true",
            "instances=[default,buildstream]",
            "actions.properties=[buildstream:chrootIntoInputRoot=true]")) {
      String first = build(bst.get(), farm, "one");
      assertTrue(!first.contains("Action result found"), first);
      String second = build(bst.get(), farm, "two");
      assertTrue(second.contains("Action result found in action cache"), second);
      assertEquals("HELLO\n", Files.readString(directory.resolve("two-out/share/word.txt")));
      Files.writeString(project.resolve("files/hello/word.txt"), "other\n");
      String changed = build(bst.get(), farm, "three");
      assertTrue(!changed.contains("Action result found"), changed);
      assertEquals("OTHER\n", Files.readString(directory.resolve("three-out/share/word.txt")));
    }
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
                for name in sh cat tr mkdir cp rm chmod find; do
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
    Path settings = directory.resolve(name + ".conf");
    String service =
        "    url: http://%s\n    instance-name: buildstream\n".formatted(farm.grpcAddress());
    Files.writeString(
        settings,
        "cachedir: %1$s/%2$s-cache\nsourcedir: %1$s/sources\nlogdir: %1$s/logs\n"
                .formatted(directory, name)
            + "remote-execution:\n"
            + "  execution-service:\n"
            + service
            + "  storage-service:\n"
            + service
            + "  action-cache-service:\n"
            + service);
    String said = run(bst, settings, "build", "hello.bst");
    Path out = directory.resolve(name + "-out");
    run(bst, settings, "artifact", "checkout", "hello.bst", "--directory", out.toString());
    return said;
  }

  private String run(Path bst, Path settings, String... arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                bst.toString(),
                "--no-interactive",
                "--no-colors",
                "--config",
                settings.toString(),
                "--directory",
                project.toString()));
    command.addAll(List.of(arguments));
    return Processes.run(directory, Map.of("HOME", directory.toString()), command)
        .succeeded()
        .output();
  }
}
