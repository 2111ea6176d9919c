package build.thresher.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import com.google.common.io.ByteStreams;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole farm in this process: who is let in, and that it starts and stops. */
class FarmServerTest {
  private static final String HEALTH = "grpc.health.v1.Health";

  @TempDir Path directory;

  private FarmServer start(String... settings) throws Exception {
    List<String> all =
        new java.util.ArrayList<>(
            List.of(
                "data=" + directory.resolve("data"),
                "access.token_file=" + directory.resolve("token"),
                "grpc.listen=127.0.0.1:0",
                "http.listen=127.0.0.1:0"));
    all.addAll(List.of(settings));
    return FarmServer.start(FarmConfig.load(null, Map.of(), all));
  }

  @Test
  void everyRpcRefusesACallWithoutAToken() throws Exception {
    try (FarmServer farm = start()) {
      ManagedChannel channel =
          NettyChannelBuilder.forTarget(farm.grpcTarget()).usePlaintext().build();
      Map<String, Status.Code> answers = new TreeMap<>();
      for (ServerServiceDefinition service : farm.services()) {
        for (ServerMethodDefinition<?, ?> method : service.getMethods()) {
          String name = method.getMethodDescriptor().getFullMethodName();
          if (!name.startsWith(HEALTH)) {
            answers.put(name, call(channel, name, method.getMethodDescriptor().getType()));
          }
        }
      }
      channel.shutdownNow();
      answers.forEach((name, code) -> assertEquals(Status.Code.UNAUTHENTICATED, code, name));
      TreeSet<String> services =
          answers.keySet().stream()
              .map(name -> name.substring(0, name.indexOf('/')))
              .collect(Collectors.toCollection(TreeSet::new));
      assertTrue(
          services.containsAll(
              List.of(
                  "thresher.v1.Farm",
                  "thresher.v1.Executors",
                  "build.bazel.remote.execution.v2.ContentAddressableStorage",
                  "build.bazel.remote.execution.v2.Capabilities",
                  "google.bytestream.ByteStream",
                  "build.bazel.remote.asset.v1.Fetch")),
          () -> "only these were asked: " + services);
    }
  }

  @Test
  void healthIsOpenToEveryone() throws Exception {
    try (FarmServer farm = start()) {
      ManagedChannel channel =
          NettyChannelBuilder.forTarget(farm.grpcTarget()).usePlaintext().build();
      assertEquals(Status.Code.OK, call(channel, HEALTH + "/Check", MethodType.UNARY));
      channel.shutdownNow();
      assertEquals(200, get(farm, "/healthz", null));
    }
  }

  @Test
  void aCallWithHugeHeadersIsRefusedAndOthersGoOn() throws Exception {
    try (FarmServer farm = start()) {
      ManagedChannel channel =
          NettyChannelBuilder.forTarget(farm.grpcTarget()).usePlaintext().build();
      HealthCheckRequest ask = HealthCheckRequest.getDefaultInstance();
      for (int bytes : new int[] {8 << 10, 1 << 20}) {
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("x-much", Metadata.ASCII_STRING_MARSHALLER), "a".repeat(bytes));
        HealthGrpc.HealthBlockingStub stub =
            HealthGrpc.newBlockingStub(channel)
                .withDeadlineAfter(30, TimeUnit.SECONDS)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
        if (bytes < 16 << 10) {
          assertEquals(HealthCheckResponse.ServingStatus.SERVING, stub.check(ask).getStatus());
        } else {
          StatusRuntimeException refused =
              assertThrows(StatusRuntimeException.class, () -> stub.check(ask));
          assertFalse(
              refused.getStatus().getCode() == Status.Code.DEADLINE_EXCEEDED, refused.toString());
        }
        assertEquals(Status.Code.OK, call(channel, HEALTH + "/Check", MethodType.UNARY));
      }
      channel.shutdownNow();
    }
  }

  @Test
  void aMirrorThatIsNotOpenWantsTheTokenOnEveryRoute() throws Exception {
    try (FarmServer farm = start("access.mirror_open=false")) {
      String token = Files.readString(directory.resolve("token")).strip();
      for (String path :
          List.of(
              "/mirror/default/v3/layout.json",
              "/mirror/default/v3/manifests/index/index.manifest.json",
              "/mirror/default/v3/manifests/key/keys.manifest.json",
              "/mirror/default/v3/manifests/spec/x/x-1-" + "a".repeat(32) + ".spec.manifest.json",
              "/mirror/default/blobs/sha256/aa/" + "a".repeat(64))) {
        assertEquals(401, get(farm, path, null), path);
        assertEquals(401, get(farm, path, "wrong"), path);
      }
      assertEquals(200, get(farm, "/mirror/default/v3/layout.json", token));
    }
  }

  @Test
  void aFarmThatWasStoppedOpensItsDataAgain() throws Exception {
    String before;
    try (FarmServer farm = start()) {
      before = farm.grpcTarget();
    }
    try (FarmServer farm = start()) {
      assertEquals(200, get(farm, "/healthz", null), before);
    }
  }

  @Test
  void anAddressHasSoManyConnectionsAndANewOneWhereAnOldOneHasEnded() throws Exception {
    try (FarmServer farm = start("grpc.max_connections_of_address=3")) {
      int port = Integer.parseInt(farm.grpcTarget().replaceFirst(".*:", ""));
      List<Socket> open = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        open.add(new Socket(InetAddress.getLoopbackAddress(), port));
        assertTrue(isServed(open.getLast()));
      }
      for (int i = 0; i < 20; i++) {
        try (Socket more = new Socket(InetAddress.getLoopbackAddress(), port)) {
          assertFalse(isServed(more));
        }
      }
      open.removeFirst().close();
      boolean served = false;
      for (int i = 0; i < 1_000 && !served; i++) {
        try (Socket again = new Socket(InetAddress.getLoopbackAddress(), port)) {
          served = isServed(again);
        }
      }
      assertTrue(served, "no room where a connection has ended");
      for (Socket socket : open) {
        socket.close();
      }
    }
  }

  @Test
  void allTogetherHaveSoManyConnections() throws Exception {
    try (FarmServer farm = start("grpc.max_connections=2")) {
      int port = Integer.parseInt(farm.grpcTarget().replaceFirst(".*:", ""));
      try (Socket one = new Socket(InetAddress.getLoopbackAddress(), port);
          Socket two = new Socket(InetAddress.getLoopbackAddress(), port);
          Socket three = new Socket(InetAddress.getLoopbackAddress(), port)) {
        assertTrue(isServed(one));
        assertTrue(isServed(two));
        assertFalse(isServed(three));
      }
    }
  }

  /** Says what begins HTTP/2; a server that goes on with it answers with its settings. */
  private static boolean isServed(Socket socket) throws IOException {
    try {
      socket.setSoTimeout(60_000);
      OutputStream out = socket.getOutputStream();
      out.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
      out.write(new byte[] {0, 0, 0, 4, 0, 0, 0, 0, 0}); // no settings of ours
      return socket.getInputStream().read() >= 0;
    } catch (SocketException reset) {
      return false;
    }
  }

  @Test
  void aPortThatIsTakenIsNamed() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      for (String key : List.of("grpc.listen", "http.listen")) {
        var e =
            assertThrows(
                ConfigException.class, () -> start(key + "=127.0.0.1:" + taken.getLocalPort()));
        assertTrue(String.valueOf(e.getMessage()).contains(key), e.getMessage());
      }
    }
    start().close(); // and nothing of the refused ones stays open
  }

  private static int get(FarmServer farm, String path, @Nullable String token) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://" + farm.httpAddress() + path));
    if (token != null) {
      request.header("Authorization", "Bearer " + token);
    }
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(request.build(), HttpResponse.BodyHandlers.discarding()).statusCode();
    }
  }

  /** Calls a method with an empty message, whatever its types are. */
  private static Status.Code call(ManagedChannel channel, String name, MethodType type)
      throws Exception {
    MethodDescriptor<byte[], byte[]> method =
        MethodDescriptor.<byte[], byte[]>newBuilder(new Bytes(), new Bytes())
            .setType(type)
            .setFullMethodName(name)
            .build();
    ClientCall<byte[], byte[]> call = channel.newCall(method, CallOptions.DEFAULT);
    CompletableFuture<Status.Code> answer = new CompletableFuture<>();
    call.start(
        new ClientCall.Listener<>() {
          @Override
          public void onClose(Status status, Metadata trailers) {
            answer.complete(status.getCode());
          }
        },
        new Metadata());
    call.request(1);
    call.sendMessage(new byte[0]);
    call.halfClose();
    return answer.get(60, TimeUnit.SECONDS);
  }

  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return ByteStreams.toByteArray(stream);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
