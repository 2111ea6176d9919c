package build.thresher.testing.bench;

import build.thresher.v1.Capabilities;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.CompleteResponse;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.LeaseResponse;
import build.thresher.v1.RegisterRequest;
import com.google.protobuf.Duration;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/**
 * Everybody who talks to a farm in a benchmark, each over a TCP connection of its own, all on one
 * thread: so what they cost is known, and what is left of the process is the server.
 */
public final class Peers implements AutoCloseable {
  /** The name of their thread. */
  static final String THREAD = "peers";

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final String target;
  private final Metadata headers = new Metadata();
  private final EventLoopGroup loop;
  private final List<ManagedChannel> channels = new ArrayList<>();
  private volatile boolean closing;

  /**
   * @param target {@code host:port} of the farm
   * @param token empty where the farm wants none
   */
  public Peers(String target, String token) {
    this.target = target;
    if (!token.isEmpty()) {
      headers.put(AUTHORIZATION, "Bearer " + token);
    }
    this.loop =
        new MultiThreadIoEventLoopGroup(
            1, Thread.ofPlatform().name(THREAD).daemon().factory(), NioIoHandler.newFactory());
  }

  /** A connection of its own; answers are heard on the peers' thread. */
  public Channel connect() {
    ManagedChannel channel =
        NettyChannelBuilder.forTarget(target)
            .usePlaintext()
            .eventLoopGroup(loop)
            .channelType(NioSocketChannel.class)
            .directExecutor()
            .maxInboundMessageSize(64 << 20)
            .build();
    channels.add(channel);
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  /** Registers executors that end every lease at once, as the script says. */
  public void startExecutors(
      int count,
      int slots,
      Capabilities capabilities,
      BiFunction<CompleteRequest.Builder, Lease, CompleteRequest> script)
      throws InterruptedException {
    for (int i = 0; i < count; i++) {
      Executor executor =
          new Executor(ExecutorsGrpc.newStub(connect()), "e" + i, slots, capabilities, script);
      executor.registered.await();
      loop.execute(executor::ask);
    }
  }

  /** Asks for as much work as it has free slots, as real ones do. On the peers' thread only. */
  private final class Executor {
    private final ExecutorsGrpc.ExecutorsStub stub;
    private final BiFunction<CompleteRequest.Builder, Lease, CompleteRequest> script;
    private final String name;
    private final String incarnation = UUID.randomUUID().toString();
    private final CountDownLatch registered = new CountDownLatch(1);
    private int free;
    private boolean asking;

    Executor(
        ExecutorsGrpc.ExecutorsStub stub,
        String name,
        int slots,
        Capabilities capabilities,
        BiFunction<CompleteRequest.Builder, Lease, CompleteRequest> script) {
      this.stub = stub;
      this.name = name;
      this.free = slots;
      this.script = script;
      stub.register(
          RegisterRequest.newBuilder()
              .setExecutor(name)
              .setIncarnation(incarnation)
              .setSlots(slots)
              .setCapabilities(capabilities)
              .build(),
          new Answer<>(response -> registered.countDown()));
    }

    void ask() {
      if (asking || free == 0 || closing) {
        return;
      }
      asking = true;
      stub.lease(
          LeaseRequest.newBuilder()
              .setExecutor(name)
              .setIncarnation(incarnation)
              .setMaxLeases(free)
              .setWait(Duration.newBuilder().setSeconds(20))
              .build(),
          new Answer<>(this::take));
    }

    private void take(LeaseResponse response) {
      asking = false;
      free -= response.getLeasesCount();
      for (Lease lease : response.getLeasesList()) {
        CompleteRequest.Builder outcome =
            CompleteRequest.newBuilder()
                .setExecutor(name)
                .setIncarnation(incarnation)
                .setFence(lease.getFence());
        stub.complete(script.apply(outcome, lease), new Answer<>(this::completed));
      }
      ask();
    }

    private void completed(CompleteResponse response) {
      free++;
      ask();
    }
  }

  /** What a call answers, one after the other; an error fails the benchmark's thread. */
  public <T> StreamObserver<T> each(Consumer<T> then) {
    return new Answer<>(then);
  }

  private final class Answer<T> implements StreamObserver<T> {
    private final Consumer<T> then;

    Answer(Consumer<T> then) {
      this.then = then;
    }

    @Override
    public void onNext(T value) {
      then.accept(value);
    }

    @Override
    public void onError(Throwable t) {
      if (!closing) {
        throw new AssertionError("a call failed", t);
      }
    }

    @Override
    public void onCompleted() {}
  }

  /** Hangs up everywhere. */
  @Override
  public void close() {
    closing = true;
    channels.forEach(ManagedChannel::shutdownNow);
    loop.shutdownGracefully(0, 1, TimeUnit.SECONDS).syncUninterruptibly();
  }
}
