package build.thresher.cas.client;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Opens connections to a farm. The caller shuts the channel down. Callbacks run on virtual threads,
 * so that a blocked one holds up nobody else.
 */
public final class FarmChannel {
  /** Largest message accepted; batches of blobs stay far below. */
  static final int MAX_INBOUND_BYTES = 16 << 20;

  /** A server must permit pings this often, or it hangs up on idle long polls. */
  public static final int KEEPALIVE_SECONDS = 60;

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private FarmChannel() {}

  /**
   * A channel that connects when it is first used.
   *
   * @throws IOException when the certificate cannot be read
   */
  public static ManagedChannel open(FarmEndpoint endpoint) throws IOException {
    NettyChannelBuilder builder =
        NettyChannelBuilder.forTarget(endpoint.target(), credentials(endpoint))
            .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
            .keepAliveTimeout(20, TimeUnit.SECONDS);
    return new EagerChannel(configured(builder, endpoint.token()), System::nanoTime);
  }

  /**
   * A channel over any transport with what all of ours have in common.
   *
   * @param token sent with each call; null for none
   */
  public static ManagedChannel configured(
      ManagedChannelBuilder<?> builder, @Nullable String token) {
    builder
        .executor(Executors.newVirtualThreadPerTaskExecutor())
        .maxInboundMessageSize(MAX_INBOUND_BYTES);
    if (token != null) {
      Metadata headers = new Metadata();
      headers.put(AUTHORIZATION, "Bearer " + token);
      builder.intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
    }
    return builder.build();
  }

  private static ChannelCredentials credentials(FarmEndpoint endpoint) throws IOException {
    if (endpoint.caCertificate() == null) {
      return InsecureChannelCredentials.create();
    }
    return TlsChannelCredentials.newBuilder()
        .trustManager(endpoint.caCertificate().toFile())
        .build();
  }
}
