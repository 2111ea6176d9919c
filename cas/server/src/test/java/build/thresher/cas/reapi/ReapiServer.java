package build.thresher.cas.reapi;

import build.thresher.cas.actions.CompleteActionCache;
import build.thresher.cas.api.LiveStreams;
import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import build.thresher.cas.store.CompressedForms;
import build.thresher.cas.store.RocksBlobStore;
import com.google.common.collect.ImmutableList;
import io.grpc.BindableService;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.function.Function;

/** The services on a real socket, and a channel to them. */
final class ReapiServer implements AutoCloseable {
  static final String INSTANCE = "site/main";
  static final InstanceNames INSTANCES = new InstanceNames(ImmutableList.of(INSTANCE, "other"));

  private final Server server;

  /** Whether clients may write results. */
  volatile boolean updatesAllowed;

  final ManagedChannel channel;

  ReapiServer(RocksBlobStore store) throws IOException {
    this(store, CompressedForms.none());
  }

  ReapiServer(RocksBlobStore store, CompressedForms forms) throws IOException {
    this(store, forms, updates -> List.of());
  }

  /**
   * @param more services besides those that every server has
   */
  ReapiServer(RocksBlobStore store, Function<ResultUpdates, List<BindableService>> more)
      throws IOException {
    this(store, CompressedForms.none(), more);
  }

  private ReapiServer(
      RocksBlobStore store,
      CompressedForms forms,
      Function<ResultUpdates, List<BindableService>> more)
      throws IOException {
    ResultUpdates updates = new ResultUpdates(() -> updatesAllowed, "set the key");
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .executor(Executors.newVirtualThreadPerTaskExecutor())
            .maxInboundMessageSize(16 << 20)
            .addService(uncopied(new ContentAddressableStorageService(store, INSTANCES)))
            .addService(uncopied(new ByteStreamService(store, forms, LiveStreams.NONE, INSTANCES)))
            .addService(new CapabilitiesService(INSTANCES, updates, ExecutionOffer.NONE))
            .addService(
                new ActionCacheService(
                    new CompleteActionCache(store, store.results()), store, INSTANCES, updates))
            .addServices(more.apply(updates).stream().map(BindableService::bindService).toList())
            .build()
            .start();
    channel = FarmChannel.open(new FarmEndpoint("127.0.0.1:" + server.getPort(), "secret", null));
  }

  @Override
  public void close() {
    channel.shutdownNow();
    server.shutdownNow();
  }

  private static ServerServiceDefinition uncopied(BindableService service) {
    return UncopiedRequests.of(service.bindService());
  }
}
