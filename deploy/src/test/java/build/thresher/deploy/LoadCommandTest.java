package build.thresher.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.deploy.config.FarmConfig;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The load generator against two real servers. */
final class LoadCommandTest {
  @TempDir Path temp;

  private FarmServer server(String name) throws Exception {
    return FarmServer.start(
        FarmConfig.load(
            null,
            Map.of(),
            List.of(
                "data=" + temp.resolve(name),
                "access.open=true",
                "access.client_results=true",
                "grpc.listen=127.0.0.1:0",
                "http.listen=127.0.0.1:0")));
  }

  private static String load(String... arguments) {
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      assertEquals(0, Main.run(arguments), () -> printed.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(before);
    }
    return printed.toString(StandardCharsets.UTF_8);
  }

  /** Two servers, named first and second. */
  private String loadBoth(String... options) throws Exception {
    try (FarmServer a = server("a");
        FarmServer b = server("b")) {
      List<String> servers = List.of("first=" + a.grpcTarget(), "second=" + b.grpcTarget());
      return load(
          Stream.of(List.of("load"), servers, List.of(options))
              .flatMap(List::stream)
              .toArray(String[]::new));
    }
  }

  @Test
  void bothServersAreMeasuredInTheRowsAskedFor() throws Exception {
    String table = loadBoth("--rounds=1", "--rows=small blobs|FindMissing|zstd");
    for (String row :
        List.of(
            "small blobs, batch upload",
            "small blobs, batch read",
            "FindMissing of 10,000 digests, half there",
            "64 MiB ByteStream write, zstd",
            "64 MiB ByteStream read, zstd")) {
      Matcher line =
          Pattern.compile(
                  "^" + row + " +\\S+ +([0-9.,]+) +([0-9.,]+) +([0-9.]+)$", Pattern.MULTILINE)
              .matcher(table);
      assertTrue(line.find(), row + " in\n" + table);
      double first = Double.parseDouble(line.group(1).replace(",", ""));
      double second = Double.parseDouble(line.group(2).replace(",", ""));
      assertEquals(first / second, Double.parseDouble(line.group(3)), 0.1 * first / second, table);
    }
  }

  @Test
  void roundsThatWarmAreDoneAtEveryServerAndDoNotCount() throws Exception {
    String table = loadBoth("--warm=2", "--rounds=0", "--rows=ByteStream write$");
    assertTrue(table.matches("(?s).*64 MiB ByteStream write +MB/s +- +-.*"), table);
    assertEquals(2, largeFiles("a"));
    assertEquals(2, largeFiles("b"));
  }

  private long largeFiles(String name) throws Exception {
    try (Stream<Path> files = Files.walk(temp.resolve(name).resolve("blobs"))) {
      return files.filter(file -> file.toFile().length() == 64 << 20).count();
    }
  }

  @Test
  void numbersOfRoundsAreNotBelowZero() {
    assertEquals(2, Main.run("load", "--warm=-1", "127.0.0.1:1"));
    assertEquals(2, Main.run("load", "--rounds=-1", "127.0.0.1:1"));
  }
}
