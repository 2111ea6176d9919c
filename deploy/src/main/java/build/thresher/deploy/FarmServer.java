package build.thresher.deploy;

import static java.util.Objects.requireNonNull;

import build.thresher.cas.actions.CompleteActionCache;
import build.thresher.cas.api.ActionCache;
import build.thresher.cas.assets.AssetTable;
import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.http.MirrorHttpOptions;
import build.thresher.cas.http.MirrorServer;
import build.thresher.cas.mirror.KeyRotation;
import build.thresher.cas.mirror.KeyType;
import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.MirrorStatistics;
import build.thresher.cas.mirror.MirrorUpkeep;
import build.thresher.cas.mirror.PinCheck;
import build.thresher.cas.mirror.Pins;
import build.thresher.cas.mirror.Promotion;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.Retention;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Signers;
import build.thresher.cas.mirror.Views;
import build.thresher.cas.oci.OciHandler;
import build.thresher.cas.push.MirrorService;
import build.thresher.cas.reapi.ActionCacheService;
import build.thresher.cas.reapi.ByteStreamService;
import build.thresher.cas.reapi.CapabilitiesService;
import build.thresher.cas.reapi.ContentAddressableStorageService;
import build.thresher.cas.reapi.ExecutionOffer;
import build.thresher.cas.reapi.InstanceNames;
import build.thresher.cas.reapi.PushService;
import build.thresher.cas.reapi.ResultUpdates;
import build.thresher.cas.reapi.UncopiedRequests;
import build.thresher.cas.sources.PullThrough;
import build.thresher.cas.sources.SourceFetchService;
import build.thresher.cas.sources.SourceFetcher;
import build.thresher.cas.sources.SourcesService;
import build.thresher.cas.store.CompressedForms;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.deploy.access.AccessInterceptor;
import build.thresher.deploy.access.AccessPolicy;
import build.thresher.deploy.access.MirrorAccess;
import build.thresher.deploy.access.Tokens;
import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import build.thresher.scheduler.Scheduler;
import build.thresher.v1.InstanceStatus;
import com.google.common.collect.ImmutableMap;
import io.grpc.BindableService;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Scheduler, store and mirror in one process: the whole object graph, top to bottom, in {@link
 * #start}. Closing undoes it in reverse, after the calls at hand were answered.
 */
final class FarmServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(FarmServer.class);

  /** Largest gRPC message taken. Documents and archives travel as blobs; batches are 4 MiB. */
  private static final int MAX_MESSAGE_BYTES = 16 << 20;

  /** All headers of a call. A token and what tools say of themselves have some hundred bytes. */
  private static final int MAX_METADATA_BYTES = 16 << 10;

  /** A client multiplexes its calls; a long-polling executor holds few. */
  private static final int MAX_CALLS_PER_CONNECTION = 1000;

  /** HTTP/2 resets beyond this are a flood, not a client that changes its mind. */
  private static final int MAX_RESETS_PER_WINDOW = 500;

  /** Between two looks at what a mirror may let go of. */
  private static final Duration UPKEEP = Duration.ofMinutes(1);

  private static final Duration DRAIN = Duration.ofSeconds(10);

  private final Deque<AutoCloseable> opened = new ArrayDeque<>();
  private final InFlightCalls inFlight = new InFlightCalls(System::nanoTime);
  private final String localName = InProcessServerBuilder.generateName();
  private List<ServerServiceDefinition> services = List.of();
  private @Nullable Tokens tokens;
  private @Nullable Tokens administrators;
  private String grpcTarget = "";
  private String httpAddress = "";
  private String hostName = "";
  private Supplier<Instant> keptBlobs = () -> Instant.EPOCH;

  private FarmServer() {}

  /**
   * Starts everything and returns when it serves.
   *
   * @throws ConfigException when the configuration asks for something unsafe
   */
  static FarmServer start(FarmConfig config) throws ConfigException, IOException {
    return start(config, InstantSource.system());
  }

  /** With a wall clock of the caller's. */
  static FarmServer start(FarmConfig config, InstantSource clock)
      throws ConfigException, IOException {
    ListenRules.check(config);
    ListenRules.checkFree(config);
    FarmServer farm = new FarmServer();
    try {
      farm.open(config, clock);
      return farm;
    } catch (ConfigException | IOException | RuntimeException e) {
      farm.close();
      throw e;
    }
  }

  private void open(FarmConfig config, InstantSource clock) throws ConfigException, IOException {
    Path data = config.get(Key.DATA);
    makeDirectory(data);
    hostName = InetAddress.getLocalHost().getCanonicalHostName();
    tokens =
        config.get(Key.OPEN)
            ? null
            : Tokens.readOrCreate(config.get(Key.TOKEN_FILE), new SecureRandom());
    String adminFile = config.get(Key.ADMIN_TOKEN_FILE);
    administrators =
        adminFile.isEmpty() ? null : Tokens.readOrCreate(Path.of(adminFile), new SecureRandom());
    if (tokens == null) {
      log.warn("access.open is set: every user of this machine can use this farm");
    }

    // Stores.
    RocksBlobStore blobs =
        opened(RocksBlobStore.open(data.resolve("blobs"), PartOptions.store(config), clock));
    ActionCache results = new CompleteActionCache(blobs, blobs.results());
    KeyType keyType = KeyType.of(config.get(Key.MIRROR_KEY_TYPE));
    Signers signers = Signers.inDirectory(data.resolve("signer"), "Thresher farm", clock, keyType);
    MirrorOptions mirrorOptions =
        Instances.mirrorOptions(config, PartOptions.installTree(config).paddedRoot(), clock);
    RocksSpackMirror mirror =
        opened(RocksSpackMirror.open(data.resolve("mirror"), blobs, signers, mirrorOptions, clock));

    MirrorStatistics statistics = new MirrorStatistics(mirror, Instances.names(config));

    // Core.
    Scheduler scheduler =
        opened(
            Scheduler.open(
                PartOptions.scheduler(config),
                data.resolve("scheduler"),
                blobs,
                mirror,
                results,
                () -> instanceStatus(config, mirror, statistics),
                Scheduler.World.withClock(clock)));

    keptBlobs = scheduler::keptBlobs;

    // Adapters.
    HealthStatusManager health = new HealthStatusManager();
    List<BindableService> adapters = new ArrayList<>(scheduler.services());
    InstanceNames instances = new InstanceNames(Instances.names(config));
    ResultUpdates updates =
        new ResultUpdates(
            () -> config.get(Key.CLIENT_RESULTS),
            "to let clients do it, set `" + Key.CLIENT_RESULTS.name() + ": true` in farm.yaml");
    adapters.add(new ContentAddressableStorageService(blobs, instances));
    CompressedForms forms =
        CompressedForms.open(data.resolve("compressed"), config.get(Key.STORE_COMPRESSED));
    adapters.add(new ByteStreamService(blobs, forms, scheduler.liveOutputs(), instances));
    adapters.add(new ActionCacheService(results, blobs, instances, updates));
    adapters.add(new CapabilitiesService(instances, updates, ExecutionOffer.OF_THE_SCHEDULER));
    SourceFetcher sources =
        opened(
            SourceFetcher.open(
                data.resolve("sources"), blobs, PartOptions.sources(config), System::nanoTime));
    AssetTable assets = new AssetTable(blobs, blobs.results(), clock);
    adapters.add(new SourceFetchService(sources, assets, blobs, instances::resolve));
    adapters.add(new SourcesService(sources.mirror(), instances::resolve));
    adapters.add(new PushService(assets, instances, updates));
    PushedSpecs pushed = new PushedSpecs(mirror, blobs, mirrorOptions);
    Pins pins = Pins.open(mirror);
    Views views = Views.open(mirror);
    Retention retention = new Retention(mirror, pins, views, scheduler::needs);
    KeyRotation keys = opened(KeyRotation.start(mirror));
    adapters.add(
        new MirrorService(pushed, retention, pins, views, new Promotion(mirror), keys, clock));
    adapters.add(health.getHealthService());

    services =
        adapters.stream().map(BindableService::bindService).map(UncopiedRequests::of).toList();
    AccessPolicy.check(services);

    // Servers.
    MirrorHttpOptions httpOptions = PartOptions.http(config);
    MirrorAccess access =
        new MirrorAccess(tokens, config.get(Key.MIRROR_READ_OPEN), Instances.readRules(config));
    Doors doors = new Doors(config, mirror, pushed, blobs, mirrorOptions, access, clock);
    OciHandler oci = opened(doors.oci(httpOptions.stallTimeout()));
    if (blobs.isAfterCrash()) {
      PinCheck.run(blobs, mirror, List.of(oci::eachPinned, sources.mirror()::eachPinned));
    }
    // Only now: it lets go of pins outside of the locks under which they are counted.
    opened(MirrorUpkeep.start(mirror, retention, UPKEEP));
    MirrorServer http =
        MirrorServer.start(
            httpOptions,
            mirror,
            blobs,
            new PullThrough(sources, instances::resolve),
            access,
            doors.routes(oci),
            () -> trouble(blobs, mirror, scheduler));
    opened.push(http::stop);
    httpAddress = address(config.get(Key.HTTP_LISTEN), http.port());
    Server local = localServer().start();
    opened.push(local::shutdownNow);
    ConnectionLimits connections =
        opened(
            new ConnectionLimits(
                config.get(Key.GRPC_CONNECTIONS), config.get(Key.GRPC_CONNECTIONS_OF_ADDRESS)));
    Server grpc = grpcServer(config, connections).start();
    opened.push(() -> stop(grpc, health));
    grpcTarget = address(config.get(Key.GRPC_LISTEN), grpc.getPort());
    health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, ServingStatus.SERVING);
  }

  /** What keeps the farm from its work; empty where nothing does. */
  private static String trouble(
      RocksBlobStore blobs, RocksSpackMirror mirror, Scheduler scheduler) {
    if (!blobs.takesWrites()) {
      return "the blob store is read-only since a write failed; check the disk, then restart the"
          + " server";
    }
    if (!mirror.takesWrites()) {
      return "the mirror takes nothing since a write failed; check the disk, then restart the"
          + " server";
    }
    return scheduler.takesWork()
        ? ""
        : "the task store does not take what it is given; it is tried again each second, check the"
            + " disk";
  }

  /** When the blobs that live work needs were last leased. */
  Instant keptBlobs() {
    return keptBlobs.get();
  }

  /** {@code host:port} for clients and executors. */
  String grpcTarget() {
    return grpcTarget;
  }

  /** {@code host:port} of mirror and health. */
  String httpAddress() {
    return httpAddress;
  }

  /** What is served over gRPC. */
  List<ServerServiceDefinition> services() {
    return services;
  }

  /**
   * A connection from inside this process, with the farm's token: neither network nor TLS between
   * the farm and its own executor. The caller shuts it down.
   */
  ManagedChannel localChannel(@Nullable String token) {
    return FarmChannel.configured(InProcessChannelBuilder.forName(localName), token);
  }

  private Server grpcServer(FarmConfig config, ConnectionLimits connections) throws IOException {
    return connections
        .on(
            NettyServerBuilder.forAddress(
                config.get(Key.GRPC_LISTEN), PartOptions.credentials(config)))
        .addServices(services)
        .intercept(new AccessInterceptor(tokens, administrators))
        .intercept(inFlight)
        .executor(Executors.newVirtualThreadPerTaskExecutor())
        .maxInboundMessageSize(MAX_MESSAGE_BYTES)
        .maxInboundMetadataSize(MAX_METADATA_BYTES)
        .maxConcurrentCallsPerConnection(MAX_CALLS_PER_CONNECTION)
        .maxRstFramesPerWindow(MAX_RESETS_PER_WINDOW, 30)
        // A machine that lost its power or its network sends no end of its calls.
        .keepAliveTime(60, TimeUnit.SECONDS)
        .keepAliveTimeout(20, TimeUnit.SECONDS)
        .permitKeepAliveTime(20, TimeUnit.SECONDS)
        .permitKeepAliveWithoutCalls(true)
        .maxConnectionIdle(30, TimeUnit.MINUTES)
        .build();
  }

  private Server localServer() {
    return InProcessServerBuilder.forName(localName)
        .addServices(services)
        .intercept(new AccessInterceptor(tokens, administrators))
        .executor(Executors.newVirtualThreadPerTaskExecutor())
        .maxInboundMessageSize(MAX_MESSAGE_BYTES)
        .build();
  }

  private List<InstanceStatus> instanceStatus(
      FarmConfig config, RocksSpackMirror mirror, MirrorStatistics statistics) {
    List<InstanceStatus> all = new ArrayList<>();
    ImmutableMap<String, MirrorStatistics.Bytes> bytes = statistics.bytes();
    for (String name : Instances.names(config)) {
      MirrorStatistics.Bytes takes = requireNonNull(bytes.get(name));
      all.add(
          InstanceStatus.newBuilder()
              .setName(name)
              .setMirrorUrl(mirrorUrl(config, name))
              .setSigningKeyFingerprint(mirror.fingerprint(name))
              .setPublishedSpecs(mirror.size(name))
              .setLogicalBytes(takes.logical())
              .setStoredBytes(takes.stored())
              .setAddedBytes(takes.added())
              .build());
    }
    return all;
  }

  private String mirrorUrl(FarmConfig config, String instance) {
    String configured = config.get(Key.HTTP_PUBLIC_URL);
    String base =
        configured.isEmpty()
            ? (config.get(Key.TLS_CERTIFICATE).isEmpty() ? "http://" : "https://") + reachable()
            : configured.replaceFirst("/+$", "");
    return base + "/mirror/" + instance;
  }

  /** Where others find the mirror: a server that listens everywhere is found by its name. */
  private String reachable() {
    int colon = httpAddress.lastIndexOf(':');
    boolean everywhere = httpAddress.startsWith("0.0.0.0:") || httpAddress.startsWith("[0:");
    return everywhere ? hostName + httpAddress.substring(colon) : httpAddress;
  }

  private static String address(InetSocketAddress listen, int port) {
    String host = listen.getAddress().getHostAddress();
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }

  /** Calls that do something end; those that only wait are broken off, and made again later. */
  private void stop(Server grpc, HealthStatusManager health) throws InterruptedException {
    health.enterTerminalState();
    grpc.shutdown();
    if (!inFlight.awaitNone(DRAIN)) {
      log.warn("some calls did not end within {} s and are broken off", DRAIN.toSeconds());
    }
    grpc.shutdownNow();
    grpc.awaitTermination(DRAIN.toMillis(), TimeUnit.MILLISECONDS);
  }

  private <T extends AutoCloseable> T opened(T part) {
    opened.push(part);
    return part;
  }

  @Override
  public void close() {
    while (!opened.isEmpty()) {
      AutoCloseable part = opened.pop();
      try {
        part.close();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } catch (Exception e) {
        log.warn("closing {} failed", part.getClass().getSimpleName(), e);
      }
    }
  }

  private static void makeDirectory(Path data) throws IOException {
    try {
      Files.createDirectories(
          data, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } catch (FileSystemException e) {
      throw new IOException(
          "the directory of the farm's data, `data: " + data + "`, cannot be made: " + e, e);
    }
  }
}
