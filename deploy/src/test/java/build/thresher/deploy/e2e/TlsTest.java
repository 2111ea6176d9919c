package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.cas.client.WireDigests;
import build.thresher.testing.Dag;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.RegisterRequest;
import build.thresher.v1.SpackInputs;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** A farm that other machines can reach: every connection is encrypted and checked. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(SharedWorld.class)
class TlsTest {
  private final SpackWorld world;
  private final Path directory;
  private final Certificates certificates;
  private final FarmUnderTest farm;

  TlsTest(SpackWorld world, @TempDir Path directory) throws Exception {
    this.world = world;
    this.directory = directory;
    certificates = Certificates.make(directory.resolve("certificates"));
    int http = freePort();
    farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            certificates.settings(
                "grpc.listen=0.0.0.0:0",
                "http.listen=0.0.0.0:" + http,
                "http.public_url=https://localhost:" + http,
                "tls.client_ca=" + certificates.authority(),
                "executor.slots=1"));
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
  }

  @Test
  void clientExecutorAndSpackReachTheFarmOverTls() throws Exception {
    farm.trust(certificates.authority());
    farm.startExecutor("remote");
    Processes.until(
        "both executors are there",
        () -> {
          String status = farm.thresher("status").succeeded().output();
          return status.contains("executor remote:") && status.indexOf("of 1 slots busy") > 0;
        });
    Solved.Root core = SharedWorld.solved(world).root("fl-core");
    farm.thresher("build", core.plan().toString()).succeeded();
    String url =
        "https://localhost:" + farm.httpAddress().replaceFirst(".*:", "") + "/mirror/default";
    Processes.Ended list =
        world.spack(
            Map.of("SSL_CERT_FILE", certificates.authority().toString()),
            "-c",
            "mirrors:thresher:\"" + url + '"',
            "buildcache",
            "list",
            "--allarch");
    assertTrue(list.succeeded().output().contains("fl-core@1.0"), list.output());
  }

  @Test
  void whoDoesNotKnowTheAuthorityOrSpeaksPlainTextGetsNothing() throws Exception {
    Path other = Certificates.make(directory.resolve("other")).authority();
    for (List<String> arguments :
        List.of(List.of("status"), List.of("status", "--tls-ca", other.toString()))) {
      Processes.Ended status = farm.thresherUntrusting(arguments);
      assertNotEquals(0, status.exit(), status.output());
      assertTrue(status.output().contains("does not answer"), status.output());
    }
  }

  @Test
  void aCertificateOfTheClientsAuthorityStandsForATokenAndMakesAClientOnly() throws Exception {
    GetStatusRequest status = GetStatusRequest.getDefaultInstance();
    ManagedChannel certified = connect(certificates.client(), certificates.clientKey());
    try {
      assertDoesNotThrow(() -> FarmGrpc.newBlockingStub(certified).getStatus(status));
      assertEquals(
          Status.Code.UNAUTHENTICATED,
          code(
              () ->
                  ExecutorsGrpc.newBlockingStub(certified)
                      .register(RegisterRequest.getDefaultInstance())));
      RemoteBlobStore store = new RemoteBlobStore(certified, "default");
      Digest dag = store.put(Scope.farm("default"), new Dag().node("n").document());
      Digest tree = store.put(Scope.farm("default"), new byte[0]);
      ExecuteRequest request =
          ExecuteRequest.newBuilder()
              .setDag(WireDigests.toWire(dag))
              .setInputs(
                  SpackInputs.newBuilder()
                      .setCore(WireDigests.toWire(tree))
                      .setRecipes(WireDigests.toWire(tree))
                      .setConfiguration(WireDigests.toWire(tree)))
              .setClient("somebody else")
              .build();
      assertEquals(
          "CN=person",
          FarmGrpc.newBlockingStub(certified).execute(request).next().getAccepted().getClient());
    } finally {
      certified.shutdownNow();
    }
    Certificates others = Certificates.make(directory.resolve("others"));
    ManagedChannel stranger = connect(others.client(), others.clientKey());
    try {
      assertEquals(
          Status.Code.UNAVAILABLE,
          code(() -> FarmGrpc.newBlockingStub(stranger).getStatus(status)));
    } finally {
      stranger.shutdownNow();
    }
  }

  private ManagedChannel connect(Path certificate, Path key) throws Exception {
    return Grpc.newChannelBuilder(
            "localhost:" + farm.grpcAddress().replaceFirst(".*:", ""),
            TlsChannelCredentials.newBuilder()
                .trustManager(certificates.authority().toFile())
                .keyManager(certificate.toFile(), key.toFile())
                .build())
        .build();
  }

  private static Status.Code code(Executable call) {
    return assertThrows(StatusRuntimeException.class, call).getStatus().getCode();
  }

  @Test
  void withoutTlsAServerThatOthersReachDoesNotStart() throws Exception {
    for (String key : List.of("grpc.listen", "http.listen")) {
      Path data = directory.resolve("refused");
      Processes.Ended refused =
          Processes.run(
              directory,
              Map.of(),
              List.of(
                  FarmUnderTest.PROGRAM.toString(),
                  "serve",
                  "--set",
                  "data=" + data,
                  "--set",
                  "access.token_file=" + directory.resolve("refused-token"),
                  "--set",
                  key + "=0.0.0.0:0"));
      assertEquals(2, refused.exit(), refused.output());
      assertTrue(refused.output().contains(key + " is "), refused.output());
      assertTrue(refused.output().contains("set tls.certificate and tls.key"), refused.output());
      assertTrue(Files.notExists(data), "nothing was opened");
    }
  }

  static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}
