package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the assembled program leaves outside its own directories. */
class LeftoversTest {
  private static final String PROGRAM =
      Path.of("target/thresher/bin/thresher").toAbsolutePath().toString();
  private static final Pattern READY = Pattern.compile("ready: grpc=(\\S+)");

  @TempDir Path dir;

  /** Libraries in machine code would be unpacked there at each start. */
  @Test
  void aServerThatIsKilledLeavesNothingInTheTemporaryDirectory() throws Exception {
    Path temporary = Files.createDirectory(dir.resolve("tmp"));
    Map<String, String> environment = Map.of("JAVA_TOOL_OPTIONS", "-Djava.io.tmpdir=" + temporary);
    Path log = dir.resolve("server.log");
    Path token = dir.resolve("token");
    List<String> settings =
        List.of(
            "data=" + dir.resolve("data"),
            "access.token_file=" + token,
            "grpc.listen=127.0.0.1:0",
            "http.listen=127.0.0.1:0");
    List<String> command =
        Stream.concat(
                Stream.of(PROGRAM, "serve", "--no-executor"),
                settings.stream().flatMap(setting -> Stream.of("--set", setting)))
            .toList();
    Process server = Processes.start(log, environment, command);
    try {
      Processes.until("the server is ready", () -> READY.matcher(read(log)).find());
      Matcher ready = READY.matcher(read(log));
      String address = ready.find() ? ready.group(1) : "";
      Processes.Ended load =
          Processes.run(
              dir,
              environment,
              List.of(
                  PROGRAM,
                  "load",
                  address,
                  "--token-file=" + token,
                  "--rounds=1",
                  "--rows=small blobs, batch upload|write, zstd"));
      assertEquals(0, load.exit(), load.output());
    } finally {
      server.destroyForcibly().waitFor();
    }
    try (Stream<Path> left = Files.list(temporary)) {
      assertEquals(List.of(), left.toList());
    }
  }

  private static String read(Path log) throws Exception {
    return Files.exists(log) ? Files.readString(log) : "";
  }
}
