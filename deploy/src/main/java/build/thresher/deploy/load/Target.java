package build.thresher.deploy.load;

import build.bazel.remote.execution.v2.CapabilitiesGrpc;
import build.bazel.remote.execution.v2.Compressor;
import build.bazel.remote.execution.v2.GetCapabilitiesRequest;
import build.bazel.remote.execution.v2.Platform;
import build.bazel.remote.execution.v2.ServerCapabilities;
import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A server under load. Closing shuts its connection down. */
final class Target implements AutoCloseable {
  private final String name;
  private final String instance;
  private final Platform platform;
  private final FarmEndpoint endpoint;
  private final ManagedChannel channel;
  private final ServerCapabilities capabilities;

  private Target(
      String name,
      String instance,
      Platform platform,
      FarmEndpoint endpoint,
      ManagedChannel channel,
      ServerCapabilities capabilities) {
    this.name = name;
    this.instance = instance;
    this.platform = platform;
    this.endpoint = endpoint;
    this.channel = channel;
    this.capabilities = capabilities;
  }

  /**
   * Connects and asks what the server can do.
   *
   * @param address {@code [NAME=]HOST:PORT[/INSTANCE]}
   */
  static Target connect(String address, @Nullable String token, Platform platform)
      throws IOException {
    int equals = address.indexOf('=');
    String where = address.substring(equals + 1);
    int slash = where.indexOf('/');
    String server = slash < 0 ? where : where.substring(0, slash);
    String instance = slash < 0 ? "" : where.substring(slash + 1);
    FarmEndpoint endpoint = new FarmEndpoint(server, token, null);
    ManagedChannel channel = FarmChannel.open(endpoint);
    ServerCapabilities capabilities;
    try {
      capabilities =
          CapabilitiesGrpc.newBlockingStub(channel)
              .withDeadlineAfter(10, TimeUnit.SECONDS)
              .getCapabilities(
                  GetCapabilitiesRequest.newBuilder().setInstanceName(instance).build());
    } catch (StatusRuntimeException e) {
      channel.shutdownNow();
      throw new IOException("no Remote Execution API at " + server + ": " + e.getMessage(), e);
    }
    String name = equals < 0 ? server : address.substring(0, equals);
    return new Target(name, instance, platform, endpoint, channel, capabilities);
  }

  String name() {
    return name;
  }

  String instance() {
    return instance;
  }

  /** What actions ask of an executor. */
  Platform platform() {
    return platform;
  }

  ManagedChannel channel() {
    return channel;
  }

  /** A connection of its own; the caller shuts it down. */
  ManagedChannel newChannel() throws IOException {
    return FarmChannel.open(endpoint);
  }

  boolean offersZstd() {
    return capabilities
        .getCacheCapabilities()
        .getSupportedCompressorsList()
        .contains(Compressor.Value.ZSTD);
  }

  boolean offersExecution() {
    return capabilities.getExecutionCapabilities().getExecEnabled();
  }

  /** Prefix of ByteStream's names. */
  String prefix() {
    return instance.isEmpty() ? "" : instance + "/";
  }

  @Override
  public void close() {
    channel.shutdownNow();
  }
}
