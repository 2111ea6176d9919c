package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.testing.DiskFaults;
import build.thresher.testing.DiskFaults.Plan;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a server says of its health while its disk fails, and what it does then. */
class DiskHealthTest {
  private static final Scope SCOPE = Scope.farm("default");

  @TempDir Path directory;

  private final HttpClient http = HttpClient.newHttpClient();

  @Test
  void aBlobStoreThatIsReadOnlyIsSaidUntilTheServerIsStartedAgain() throws Exception {
    try (FarmUnderTest farm = failing("blobs", new Plan("fsync", DiskFaults.EIO, 0, 1))) {
      ManagedChannel channel = farm.connect();
      RemoteBlobStore blobs = new RemoteBlobStore(channel, "default");
      byte[] before = "before".getBytes(StandardCharsets.UTF_8);
      Digest kept = blobs.put(SCOPE, before);
      assertEquals(200, health(farm).statusCode());
      Files.createFile(armed());
      byte[] refused = "refused".getBytes(StandardCharsets.UTF_8);
      assertThrows(StoreUnavailableException.class, () -> blobs.put(SCOPE, refused));
      assertEquals(503, health(farm).statusCode());
      assertTrue(health(farm).body().contains("restart the server"), health(farm).body());
      assertThrows(StoreUnavailableException.class, () -> blobs.put(SCOPE, refused));
      assertArrayEquals(before, blobs.readAll(SCOPE, kept));
      Files.delete(armed());
      farm.stopServer();
      farm.startServer();
      assertEquals(200, health(farm).statusCode());
      blobs.put(SCOPE, refused);
      assertArrayEquals(before, blobs.readAll(SCOPE, kept));
      channel.shutdownNow();
    }
  }

  @Test
  void aTaskStoreThatFailsIsSaidAndTheServerGoesOnWhenTheDiskDoes() throws Exception {
    try (FarmUnderTest farm = failing("scheduler", new Plan("fsync", DiskFaults.EIO, 0, 6))) {
      ManagedChannel channel = farm.connect();
      TinyRequest requests = new TinyRequest(channel);
      requests.execute("before", "fl-before");
      assertEquals(200, health(farm).statusCode());
      Files.createFile(armed());
      var refused =
          assertThrows(
              StatusRuntimeException.class, () -> requests.execute("refused", "fl-refused"));
      assertEquals(Status.Code.UNAVAILABLE, refused.getStatus().getCode());
      assertEquals(503, health(farm).statusCode());
      assertTrue(health(farm).body().contains("task store"), health(farm).body());
      Processes.until("the disk works again", () -> health(farm).statusCode() == 200);
      requests.execute("after", "fl-after");
      requests.execute("refused", "fl-refused"); // it may have been stored; now it surely is, once
      assertEquals(List.of("after", "before", "refused"), requests.active());
      Files.delete(armed());
      farm.killServer();
      farm.startServer();
      assertEquals(List.of("after", "before", "refused"), requests.active());
      channel.shutdownNow();
    }
  }

  private Path armed() {
    return directory.resolve("armed");
  }

  private FarmUnderTest failing(String part, Plan plan) throws Exception {
    List<String> program = new ArrayList<>(List.of("env"));
    DiskFaults.compile(directory)
        .environment(directory.resolve("farm/data").resolve(part), armed(), plan)
        .forEach((name, value) -> program.add(name + "=" + value));
    program.add(FarmUnderTest.PROGRAM.toString());
    return FarmUnderTest.start(program, directory.resolve("farm"), "executor.local=false");
  }

  private HttpResponse<String> health(FarmUnderTest farm) throws Exception {
    URI uri = URI.create("http://" + farm.httpAddress() + "/healthz");
    return http.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
  }
}
