package build.thresher.scheduler;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.LiveStreams;
import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.wire.Wire;
import build.thresher.testing.Dag;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import build.thresher.v1.SpackInputs;
import com.google.common.collect.ImmutableList;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerInterceptor;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A scheduler behind a real gRPC server, and connections to it. Can be closed and opened again. */
final class TestFarm implements AutoCloseable {
  private static final ImmutableList<String> INSTANCES =
      ImmutableList.of("default", "projects/p/instances/i");
  final MemoryBlobs blobs = new MemoryBlobs();
  final MemoryMirror mirror = new MemoryMirror(blobs);
  final MemoryActionCache actionCache = new MemoryActionCache(blobs);
  private final Path directory;
  private final SchedulerOptions options;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final List<ServerInterceptor> interceptors = new ArrayList<>();
  private final List<ManagedChannel> channels = new ArrayList<>();
  private @Nullable Scheduler scheduler;
  private @Nullable Server server;

  TestFarm(Path directory) throws IOException {
    this(directory, CoreOptions.DEFAULTS);
  }

  TestFarm(Path directory, CoreOptions core) throws IOException {
    this.directory = directory;
    SchedulerOptions d = SchedulerOptions.DEFAULTS;
    this.options =
        new SchedulerOptions(
            INSTANCES,
            d.installTree(),
            core,
            d.defaultTimeout(),
            d.retention(),
            0,
            d.properties(),
            "test");
    start();
  }

  TestFarm(Path directory, ServerInterceptor interceptor) throws IOException {
    this(directory);
    stop();
    interceptors.add(interceptor);
    start();
  }

  static CoreOptions quick(Duration leaseTerm, Duration grace) {
    CoreOptions d = CoreOptions.DEFAULTS;
    return new CoreOptions(
        leaseTerm,
        d.executorTimeout(),
        grace,
        d.maxAttempts(),
        d.failureTtl(),
        d.maxTasksPerClient(),
        d.maxTasks(),
        d.plainInstances());
  }

  void start() throws IOException {
    Scheduler opened =
        Scheduler.open(
            options, directory, blobs, mirror, actionCache, List::of, Scheduler.World.real());
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .executor(threads) // as the real server has it
            .maxInboundMessageSize(16 << 20);
    interceptors.forEach(builder::intercept);
    opened.services().forEach(builder::addService);
    scheduler = opened;
    server = builder.build().start();
  }

  void stop() throws IOException {
    if (server != null) {
      server.shutdownNow();
    }
    if (scheduler != null) {
      scheduler.close();
    }
    for (ManagedChannel channel : channels) {
      channel.shutdownNow();
    }
    channels.clear();
  }

  Requests requests() {
    if (scheduler == null) {
      throw new IllegalStateException("not started");
    }
    return scheduler.requests();
  }

  LiveStreams liveOutputs() {
    if (scheduler == null) {
      throw new IllegalStateException("not started");
    }
    return scheduler.liveOutputs();
  }

  long commits() {
    return scheduler == null ? 0 : scheduler.commits();
  }

  int port() {
    if (server == null) {
      throw new IllegalStateException("not started");
    }
    return server.getPort();
  }

  /** A connection of its own. */
  ManagedChannel connect() {
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("127.0.0.1", port())
            .usePlaintext()
            .maxInboundMessageSize(64 << 20)
            .build();
    synchronized (channels) {
      channels.add(channel);
    }
    return channel;
  }

  FarmGrpc.FarmBlockingStub client() {
    return FarmGrpc.newBlockingStub(connect()).withDeadlineAfter(150, TimeUnit.SECONDS);
  }

  ExecutorsGrpc.ExecutorsBlockingStub executors() {
    return ExecutorsGrpc.newBlockingStub(connect());
  }

  Digest text(String text) {
    return blobs.add(text.getBytes(StandardCharsets.UTF_8));
  }

  SpackInputs inputs(String recipes) {
    return SpackInputs.newBuilder()
        .setCore(Wire.digest(text("core")))
        .setRecipes(Wire.digest(text(recipes)))
        .setConfiguration(Wire.digest(text("configuration")))
        .build();
  }

  ExecuteRequest.Builder request(Dag dag, String client) {
    return ExecuteRequest.newBuilder()
        .setDag(Wire.digest(blobs.add(dag.document())))
        .setInputs(inputs("recipes"))
        .setClient(client);
  }

  /** Reads the stream to its end. */
  static Request last(Iterator<ExecuteUpdate> updates) {
    Request finished = null;
    while (updates.hasNext()) {
      ExecuteUpdate update = updates.next();
      if (update.hasFinished()) {
        finished = update.getFinished();
      }
    }
    if (finished == null) {
      throw new AssertionError("the stream ended without `finished`");
    }
    return finished;
  }

  /** Reads until the request is accepted. */
  static Request accepted(Iterator<ExecuteUpdate> updates) {
    return updates.next().getAccepted();
  }

  @Override
  public void close() throws IOException {
    stop();
    threads.shutdown();
  }
}
