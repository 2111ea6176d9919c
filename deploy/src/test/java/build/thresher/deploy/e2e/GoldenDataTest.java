package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.Request;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.grpc.ManagedChannel;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Data directories as released versions wrote them, one archive for each format, opened by this
 * version. An archive holds {@code data}, {@code token} and {@code expected}: what a server on it
 * must answer; token and signing key in it are of no farm. A version that changes a format adds an
 * archive and keeps the old ones.
 *
 * <p>Written anew by {@code mvn -pl deploy -am verify -Dtest=GoldenDataTest -Dgolden.write=NAME}.
 */
class GoldenDataTest {
  private static final Path ARCHIVES = Path.of("src/test/resources/golden");
  private static final Scope SCOPE = new Scope("default", "test");

  static List<Path> archives() throws Exception {
    try (Stream<Path> files = Files.list(ARCHIVES)) {
      return files.sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("archives")
  void dataOfEveryFormatOpensAndHoldsWhatItHeld(Path archive, @TempDir Path directory)
      throws Exception {
    tar(directory, "xzf", archive);
    try (FarmUnderTest farm = start(directory)) {
      ManagedChannel channel = farm.connect();
      RemoteBlobStore store = new RemoteBlobStore(channel, "default");
      try (HttpClient http = HttpClient.newHttpClient()) {
        for (String line : Files.readAllLines(directory.resolve("expected"))) {
          String[] words = line.split(" ", 3);
          switch (words[0]) {
            case "blob" -> {
              byte[] content = content(Integer.parseInt(words[1]));
              assertEquals(words[2], Digest.of(content).toString());
              assertArrayEquals(content, store.readAll(SCOPE, Digest.of(content)));
            }
            case "mirror" -> assertEquals(words[2], mirrored(http, farm, words[1]));
            case "pushed" -> assertEquals(words[2], pushed(http, farm, words[1]));
            case "request" -> assertEquals(words[2], request(channel, words[1]));
            default ->
                assertEquals(
                    words[2], new GoldenThings(farm, channel, http).told(words[0], words[1]));
          }
        }
        assertTrue(mirrored(http, farm, "v3/manifests/index/index.manifest.json").length() == 64);
      } finally {
        channel.shutdownNow();
      }
    }
  }

  @Test
  @ExtendWith(SharedWorld.class)
  void anArchiveIsWrittenWhereOneIsAskedFor(SpackWorld world, @TempDir Path directory)
      throws Exception {
    String name = System.getProperty("golden.write");
    assumeTrue(name != null, "SKIPPED: written only where -Dgolden.write names it");
    Solved solved = SharedWorld.solved(world);
    List<String> expected = new ArrayList<>();
    try (FarmUnderTest farm = start(directory)) {
      ManagedChannel channel = farm.connect();
      RemoteBlobStore store = new RemoteBlobStore(channel, "default");
      execute(channel, solved.root("fl-core"));
      String cancelled = execute(channel, solved.root("fl-broken"));
      farm.thresher("cancel", cancelled).succeeded();
      try (HttpClient http = HttpClient.newHttpClient()) {
        for (int size : new int[] {1, 1_000, 20_000, 300_000}) {
          expected.add("blob " + size + " " + store.put(SCOPE, content(size)));
        }
        for (String path : List.of("v3/layout.json", "v3/manifests/key/keys.manifest.json")) {
          expected.add("mirror " + path + " " + mirrored(http, farm, path));
        }
        for (String path : publish(farm, directory)) {
          expected.add("pushed " + path + " " + pushed(http, farm, path));
        }
        Blob output = Blob.of(content(1_000));
        expected.addAll(new GoldenThings(farm, channel, http).make(output));
        for (Request request : requests(channel)) {
          expected.add("request " + request.getRequestId() + " " + told(request));
        }
      } finally {
        channel.shutdownNow();
      }
      farm.stopServer();
    }
    Files.write(directory.resolve("expected"), expected);
    Files.createDirectories(ARCHIVES);
    Path archive = ARCHIVES.resolve(name + ".tar.gz").toAbsolutePath();
    tar(directory, "czf", archive, "--exclude=LOG*", "data", "token", "expected");
    System.out.println(archive + ": " + Files.size(archive) + " bytes");
  }

  /**
   * Nobody builds here: what was queued is found queued. What is over is found however long ago the
   * archive was written.
   */
  private static FarmUnderTest start(Path directory) throws Exception {
    return FarmUnderTest.start(
        directory,
        "executor.local=false",
        "access.client_results=true",
        "scheduler.executor_grace=24h",
        "scheduler.retention=36500d",
        "mirror.pushed=[pushed]",
        "mirror.unsigned=[pushed]");
  }

  /** Manifests and blobs of specs that were published. */
  private static List<String> publish(FarmUnderTest farm, Path directory) throws Exception {
    Path specs = Path.of("../cas/server/src/test/resources/spack/v3-unsigned").toAbsolutePath();
    farm.thresher("mirror", "import", "--instance", "pushed", specs.toString()).succeeded();
    Path out = directory.resolve("exported");
    farm.thresher("mirror", "export", "--instance", "pushed", out.toString()).succeeded();
    // An index is superseded, and a superseded one readable for minutes only.
    String index = Files.readString(out.resolve("v3/manifests/index/index.manifest.json"));
    try (Stream<Path> files = Files.walk(out)) {
      return files
          .filter(
              file -> Files.isRegularFile(file) && !index.contains(file.getFileName().toString()))
          .map(file -> out.relativize(file).toString())
          .filter(path -> path.matches("(v3/manifests/spec|blobs)/.*"))
          .sorted()
          .toList();
    }
  }

  /** With trees that hold nothing, for they are most of what a build uploads. */
  private static String execute(ManagedChannel channel, Solved.Root root) throws Exception {
    ObjectMapper json = new ObjectMapper();
    ObjectNode plan = (ObjectNode) json.readTree(Files.readAllBytes(root.plan()));
    for (String tree : List.of("core", "recipes", "configuration")) {
      ((ObjectNode) plan.get("trees")).putArray(tree);
    }
    plan.putArray("sources");
    Path small =
        Files.write(root.plan().resolveSibling("small.json"), json.writeValueAsBytes(plan));
    return FarmGrpc.newBlockingStub(channel)
        .execute(Submission.upload(channel, small).build())
        .next()
        .getAccepted()
        .getRequestId();
  }

  private static byte[] content(int size) {
    byte[] content = new byte[size];
    new Random(size).nextBytes(content);
    return content;
  }

  /** SHA-256 of what the mirror answers. */
  private static String mirrored(HttpClient http, FarmUnderTest farm, String path)
      throws Exception {
    return answer(http, farm.mirrorUrl() + "/" + path);
  }

  /** The same of the instance into which specs were pushed. */
  private static String pushed(HttpClient http, FarmUnderTest farm, String path) throws Exception {
    return answer(http, "http://" + farm.httpAddress() + "/mirror/pushed/" + path);
  }

  private static String answer(HttpClient http, String address) throws Exception {
    HttpResponse<byte[]> answer =
        http.send(
            HttpRequest.newBuilder(URI.create(address)).build(),
            HttpResponse.BodyHandlers.ofByteArray());
    assertEquals(200, answer.statusCode(), address);
    return Digest.of(answer.body()).hex();
  }

  private static List<Request> requests(ManagedChannel channel) {
    return FarmGrpc.newBlockingStub(channel)
        .listRequests(ListRequestsRequest.getDefaultInstance())
        .getRequestsList();
  }

  private static String request(ManagedChannel channel, String id) {
    return requests(channel).stream()
        .filter(request -> request.getRequestId().equals(id))
        .map(GoldenDataTest::told)
        .findFirst()
        .orElse("gone");
  }

  private static String told(Request request) {
    return request.getState() + " " + request.getRootsList();
  }

  private static void tar(Path directory, String mode, Path archive, String... members)
      throws Exception {
    List<String> command = new ArrayList<>(List.of("tar", "-C", directory.toString(), "-" + mode));
    command.add(archive.toAbsolutePath().toString());
    command.addAll(List.of(members));
    assertEquals(0, new ProcessBuilder(command).inheritIO().start().waitFor(), "tar");
  }
}
