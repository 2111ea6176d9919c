package build.thresher.deploy.access;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.FarmStatus;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.ListKeysResponse;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.RotateKeyRequest;
import io.grpc.ClientInterceptor;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AccessTest {
  @TempDir Path dir;
  private @Nullable Server server;
  private @Nullable ManagedChannel channel;

  /** A farm that answers every status call. */
  private static final class Farm extends FarmGrpc.FarmImplBase {
    @Override
    public void getStatus(GetStatusRequest request, StreamObserver<FarmStatus> out) {
      out.onNext(FarmStatus.getDefaultInstance());
      out.onCompleted();
    }
  }

  /** A mirror that answers every change of a key. */
  private static final class Mirror extends MirrorGrpc.MirrorImplBase {
    @Override
    public void rotateKey(RotateKeyRequest request, StreamObserver<ListKeysResponse> out) {
      out.onNext(ListKeysResponse.getDefaultInstance());
      out.onCompleted();
    }
  }

  @BeforeEach
  void serve() throws Exception {
    Tokens tokens = Tokens.readOrCreate(dir.resolve("token"), new SecureRandom());
    Tokens administrators = Tokens.readOrCreate(dir.resolve("admin-token"), new SecureRandom());
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .addService(new Farm())
            .addService(new Mirror())
            .intercept(new AccessInterceptor(tokens, administrators))
            .build()
            .start();
    channel = NettyChannelBuilder.forAddress("127.0.0.1", server.getPort()).usePlaintext().build();
  }

  @AfterEach
  void stop() {
    if (channel != null) {
      channel.shutdownNow();
    }
    if (server != null) {
      server.shutdownNow();
    }
  }

  private FarmGrpc.FarmBlockingStub farm(@Nullable String header) {
    return FarmGrpc.newBlockingStub(channel).withInterceptors(sending(header));
  }

  private static ClientInterceptor sending(@Nullable String header) {
    Metadata metadata = new Metadata();
    if (header != null) {
      metadata.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), header);
    }
    return MetadataUtils.newAttachHeadersInterceptor(metadata);
  }

  @Test
  void whatIsForAdministratorsNeedsTheirTokenWhichDoesEverything() throws Exception {
    String farms = "Bearer " + Tokens.read(dir.resolve("token"));
    String administrators = "Bearer " + Tokens.read(dir.resolve("admin-token"));
    MirrorGrpc.MirrorBlockingStub mirror = MirrorGrpc.newBlockingStub(channel);
    RotateKeyRequest rotate = RotateKeyRequest.getDefaultInstance();
    assertDoesNotThrow(() -> mirror.withInterceptors(sending(administrators)).rotateKey(rotate));
    assertDoesNotThrow(() -> farm(administrators).getStatus(GetStatusRequest.getDefaultInstance()));
    var denied =
        assertThrows(
            StatusRuntimeException.class,
            () -> mirror.withInterceptors(sending(farms)).rotateKey(rotate));
    assertEquals(Status.Code.PERMISSION_DENIED, denied.getStatus().getCode());
    var nobody =
        assertThrows(
            StatusRuntimeException.class,
            () -> mirror.withInterceptors(sending("Bearer nonsense")).rotateKey(rotate));
    assertEquals(Status.Code.UNAUTHENTICATED, nobody.getStatus().getCode());
  }

  @Test
  void aCallWithoutATokenOrWithAWrongOneIsUnauthenticated() {
    for (String header : new String[] {null, "Bearer nonsense", "Basic nonsense"}) {
      var e =
          assertThrows(
              StatusRuntimeException.class,
              () -> farm(header).getStatus(GetStatusRequest.getDefaultInstance()));
      assertEquals(Status.Code.UNAUTHENTICATED, e.getStatus().getCode());
    }
  }

  @Test
  void theTokenOfTheFarmIsLetThrough() throws Exception {
    String token = Tokens.read(dir.resolve("token"));
    assertDoesNotThrow(
        () -> farm("Bearer " + token).getStatus(GetStatusRequest.getDefaultInstance()));
  }

  @Test
  void anRpcWithoutADeclaredRoleIsNotServed() {
    MethodDescriptor<FarmStatus, FarmStatus> method =
        MethodDescriptor.<FarmStatus, FarmStatus>newBuilder()
            .setType(MethodDescriptor.MethodType.UNARY)
            .setFullMethodName("thresher.v1.Unheard/Of")
            .setRequestMarshaller(
                io.grpc.protobuf.ProtoUtils.marshaller(FarmStatus.getDefaultInstance()))
            .setResponseMarshaller(
                io.grpc.protobuf.ProtoUtils.marshaller(FarmStatus.getDefaultInstance()))
            .build();
    ServerServiceDefinition service =
        ServerServiceDefinition.builder("thresher.v1.Unheard")
            .addMethod(method, ServerCalls.asyncUnaryCall((q, out) -> out.onCompleted()))
            .build();
    var e = assertThrows(IllegalStateException.class, () -> AccessPolicy.check(List.of(service)));
    assertTrue(String.valueOf(e.getMessage()).contains("Unheard/Of"), e.getMessage());
  }
}
