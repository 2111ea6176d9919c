package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.asset.v1.Qualifier;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.GetStatusRequest;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * No secret is in logs, errors, stored data, packages or process lists: each secret that a farm,
 * its executors and its clients have is a known text here, and everything that a farm at work
 * writes or shows is searched for it.
 */
@ExtendWith(SharedWorld.class)
class SecretsTest {
  private static final String WRONG_TOKEN = canary("wrong-token");
  private static final String SERVERS_ENVIRONMENT = canary("servers-environment");
  private static final String SERVERS_MIRROR = canary("servers-mirror");
  private static final String CLIENTS_ENVIRONMENT = canary("clients-environment");
  private static final String CLIENTS_MIRROR = canary("clients-mirror");
  private static final String FETCH_HEADER = canary("fetch-header");
  private static final String FETCH_PASSWORD = canary("fetch-password");
  private static final String FETCH_QUERY = canary("fetch-query");
  private static final String PLANTED = canary("planted");

  private final Leaks leaks = new Leaks();

  private static String canary(String name) {
    return "canary-" + name + "-" + Long.toHexString(new Random().nextLong());
  }

  @Test
  void noSecretIsInLogsErrorsDataPackagesOrProcessLists(SpackWorld world, @TempDir Path scratch)
      throws Exception {
    Path directory = scratch.resolve("farm");
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            List.of(programWithSecrets(scratch).toString()),
            directory,
            "executor.local=false",
            "mirror.pushed=[pushed]",
            "mirror.unsigned=[pushed]")) {
      watch(farm);
      Thread watching = Thread.ofPlatform().daemon().start(() -> watchProcesses(farm));
      farm.startExecutor("one");
      buildWithSecrets(world, farm, scratch);
      askWithSecrets(farm);
      plant(farm);
      watching.interrupt();
      watching.join();
      farm.stopServer();
      farm.killExecutors();
      leaks.lookBelow(directory, Set.of(farm.tokenFile(), directory.resolve("data/signer")));
    }
    Set<String> unexpected = new HashSet<>(leaks.found());
    unexpected.removeIf(finding -> finding.startsWith("planted in "));
    assertEquals(Set.of(), unexpected);
    for (String place : List.of("(unpacked)", "/blobs/db:values", "/blobs/blobs/")) {
      assertTrue(
          leaks.found().stream().anyMatch(f -> f.startsWith("planted in ") && f.contains(place)),
          () -> place + " was not searched, but " + leaks.found());
    }
  }

  /** What starts a server or executor with secrets in its environment, and shows none of them. */
  private static Path programWithSecrets(Path scratch) throws Exception {
    return Files.writeString(
        Files.createFile(
            scratch.resolve("thresher-with-secrets"),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"))),
        """
        #!/bin/sh
        export SOME_SECRET=%s
        export THRESHER_SOURCES_MIRRORS=http://me:%s@127.0.0.1:9/mirror
        export THRESHER_SOURCES_ALLOW_PRIVATE=true
        exec %s "$@"
        """
            .formatted(SERVERS_ENVIRONMENT, SERVERS_MIRROR, FarmUnderTest.PROGRAM));
  }

  private void watch(FarmUnderTest farm) throws Exception {
    leaks.watchFor("the farm's token", Files.readString(farm.tokenFile()).strip());
    try (Stream<Path> keys = Files.walk(farm.directory().resolve("data/signer"))) {
      for (Path key : keys.filter(Files::isRegularFile).toList()) {
        // RSA: the public numbers come first, the secret exponent after some 400 bytes.
        leaks.watchFor("the signing key", Arrays.copyOfRange(Files.readAllBytes(key), 500, 532));
      }
    }
    leaks.watchFor("a wrong token", WRONG_TOKEN);
    leaks.watchFor("the server's environment", SERVERS_ENVIRONMENT);
    leaks.watchFor("the password of the server's source mirror", SERVERS_MIRROR);
    leaks.watchFor("the client's environment", CLIENTS_ENVIRONMENT);
    leaks.watchFor("the password of the client's source mirror", CLIENTS_MIRROR);
    leaks.watchFor("a header for a source", FETCH_HEADER);
    leaks.watchFor("the password in a source's address", FETCH_PASSWORD);
    leaks.watchFor("the query in a source's address", FETCH_QUERY);
    leaks.watchFor("planted", PLANTED);
  }

  private void watchProcesses(FarmUnderTest farm) {
    try {
      while (true) {
        leaks.lookAtProcesses(farm.processes());
        Thread.sleep(20);
      }
    } catch (InterruptedException done) {
      // That was all.
    }
  }

  /** Builds that succeed and fail, of a client who has secrets in environment and configuration. */
  private void buildWithSecrets(SpackWorld world, FarmUnderTest farm, Path scratch)
      throws Exception {
    Path configuration = Files.createDirectory(scratch.resolve("configuration"));
    Path plain = world.directory().resolve("config");
    try (Stream<Path> files = Files.list(plain)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, configuration.resolve(file.getFileName()));
      }
    }
    Files.writeString(
        configuration.resolve("mirrors.yaml"),
        Files.readString(plain.resolve("mirrors.yaml"))
            + "  secret: {url: \"https://me:%s@127.0.0.1:9/m\", source: true, binary: false}\n"
                .formatted(CLIENTS_MIRROR));
    Map<String, String> secret = new HashMap<>(farm.clientEnvironment());
    secret.put("SPACK_USER_CONFIG_PATH", configuration.toString());
    secret.put("AWS_SECRET_ACCESS_KEY", CLIENTS_ENVIRONMENT);
    String extension = "config:extensions:[" + FarmUnderTest.EXTENSION + "]";
    for (String name : List.of("fl-core", "fl-broken")) {
      Path document = SharedWorld.solved(world).root(name).document();
      Processes.Ended install =
          world.spack(
              secret, "-c", extension, "farm", "install", "--upload-sources", "-y", "" + document);
      assertEquals(name.equals("fl-core"), install.exit() == 0, install.output() + farm.logs());
      leaks.lookAt("what the client said", install.output().getBytes(StandardCharsets.UTF_8));
    }
    Path document = SharedWorld.solved(world).root("fl-slow").document();
    Processes.Ended unfetched =
        world.spack(secret, "-c", extension, "farm", "install", "-y", "" + document);
    assertNotEquals(0, unfetched.exit(), "its source is nowhere");
    leaks.lookAt("what the client said", unfetched.output().getBytes(StandardCharsets.UTF_8));
  }

  /** Calls that bring secrets, right ones to the wrong place among them. */
  private void askWithSecrets(FarmUnderTest farm) throws Exception {
    ManagedChannel wrong =
        FarmChannel.open(new FarmEndpoint(farm.grpcAddress(), WRONG_TOKEN, null));
    ManagedChannel right = farm.connect();
    try {
      FarmGrpc.FarmBlockingStub stranger = FarmGrpc.newBlockingStub(wrong);
      say(
          assertThrows(
              StatusRuntimeException.class,
              () -> stranger.getStatus(GetStatusRequest.getDefaultInstance())));
      say(FarmGrpc.newBlockingStub(right).getStatus(GetStatusRequest.getDefaultInstance()));
      FetchBlobResponse fetched =
          FetchGrpc.newBlockingStub(right)
              .fetchBlob(
                  FetchBlobRequest.newBuilder()
                      .addUris("http://me:" + FETCH_PASSWORD + "@127.0.0.1:9/x")
                      .addUris("http://127.0.0.1:9/x?signature=" + FETCH_QUERY)
                      .addUris("http://" + FETCH_PASSWORD + " @127.0.0.1:9/x")
                      .addQualifiers(
                          Qualifier.newBuilder()
                              .setName("checksum.sri")
                              .setValue(
                                  "sha256-"
                                      + Base64.getEncoder()
                                          .encodeToString(Digest.of(new byte[9]).hashBytes())))
                      .addQualifiers(
                          Qualifier.newBuilder()
                              .setName("thresher.mirror_path")
                              .setValue("some/source.tar.gz"))
                      .addQualifiers(
                          Qualifier.newBuilder()
                              .setName("http_header:authorization")
                              .setValue(FETCH_HEADER))
                      .build());
      assertNotEquals(0, fetched.getStatus().getCode());
      say(fetched.getStatus());
    } finally {
      wrong.shutdownNow();
      right.shutdownNow();
    }
    String token = Files.readString(farm.tokenFile()).strip();
    for (String path :
        List.of("/mirror/default/v3/layout.json", "/nothing", "/s3/pushed/x", "/s3/nothing/x")) {
      for (String credentials :
          List.of(
              "Bearer " + token,
              "Bearer " + WRONG_TOKEN,
              "Basic "
                  + Base64.getEncoder()
                      .encodeToString(("me:" + token).getBytes(StandardCharsets.UTF_8)),
              "AWS4-HMAC-SHA256 Credential=%s/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=%s"
                  .formatted(WRONG_TOKEN, token))) {
        try (HttpClient http = HttpClient.newHttpClient()) {
          HttpResponse<String> answer =
              http.send(
                  HttpRequest.newBuilder(
                          URI.create("http://" + farm.httpAddress() + path + "?token=" + token))
                      .header("Authorization", credentials)
                      .build(),
                  HttpResponse.BodyHandlers.ofString());
          say(answer.headers().map() + answer.body());
        }
      }
    }
  }

  /** The search is no good if it does not find these. */
  private void plant(FarmUnderTest farm) throws Exception {
    ManagedChannel channel = farm.connect();
    try {
      RemoteBlobStore store = new RemoteBlobStore(channel, "default");
      Scope scope = new Scope("default", "test");
      store.put(scope, PLANTED.getBytes(StandardCharsets.UTF_8));
      store.put(scope, (" ".repeat(500_000) + PLANTED).getBytes(StandardCharsets.UTF_8));
      ByteArrayOutputStream packed = new ByteArrayOutputStream();
      try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
        out.write((PLANTED + " in gzip").getBytes(StandardCharsets.UTF_8));
      }
      assertFalse(packed.toString(StandardCharsets.ISO_8859_1).contains("canary-planted-"));
      store.put(scope, packed.toByteArray());
    } finally {
      channel.shutdownNow();
    }
  }

  private void say(Object answer) {
    leaks.lookAt("an answer", answer.toString().getBytes(StandardCharsets.UTF_8));
  }
}
