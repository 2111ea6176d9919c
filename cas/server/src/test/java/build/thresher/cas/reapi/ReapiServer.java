package build.thresher.cas.reapi;

import build.thresher.cas.actions.CompleteActionCache;
import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import build.thresher.cas.store.RocksBlobStore;
import com.google.common.collect.ImmutableList;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

/** The services on a real socket, and a channel to them. */
final class ReapiServer implements AutoCloseable {
  static final String INSTANCE = "site/main";
  static final InstanceNames INSTANCES = new InstanceNames(ImmutableList.of(INSTANCE, "other"));

  private final Server server;

  /** Whether clients may write results. */
  volatile boolean updatesAllowed;

  final ManagedChannel channel;

  ReapiServer(RocksBlobStore store) throws IOException {
    ResultUpdates updates = new ResultUpdates(() -> updatesAllowed, "set the key");
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .executor(Executors.newVirtualThreadPerTaskExecutor())
            .maxInboundMessageSize(16 << 20)
            .addService(new ContentAddressableStorageService(store, INSTANCES))
            .addService(new ByteStreamService(store, INSTANCES))
            .addService(new CapabilitiesService(INSTANCES, updates, ExecutionOffer.NONE))
            .addService(
                new ActionCacheService(
                    new CompleteActionCache(store, store.results()), store, INSTANCES, updates))
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
