package build.thresher.cas.reapi;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

/** The services on a real socket, and a channel to them. */
final class ReapiServer implements AutoCloseable {
  static final String INSTANCE = "site/main";

  private final Server server;
  final ManagedChannel channel;

  ReapiServer(BlobStore store) throws IOException {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .executor(Executors.newVirtualThreadPerTaskExecutor())
            .maxInboundMessageSize(16 << 20)
            .addService(new ContentAddressableStorageService(store, INSTANCE::equals))
            .addService(new ByteStreamService(store, INSTANCE::equals))
            .addService(new CapabilitiesService(INSTANCE::equals))
            .build()
            .start();
    channel = FarmChannel.open(new FarmEndpoint("127.0.0.1:" + server.getPort(), "secret", null));
  }

  @Override
  public void close() {
    channel.shutdownNow();
    server.shutdownNow();
  }
}
