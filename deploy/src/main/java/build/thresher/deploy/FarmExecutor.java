package build.thresher.deploy;

import build.bazel.remote.execution.v2.Platform;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import build.thresher.executor.action.ActionOptions;
import build.thresher.executor.core.Executor;
import build.thresher.executor.core.ExecutorOptions;
import build.thresher.executor.images.ImageOptions;
import build.thresher.executor.spack.SpackOptions;
import com.google.common.base.Splitter;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;

/** One executor and its connection to the farm. */
final class FarmExecutor implements AutoCloseable {
  private final ManagedChannel channel;
  private final RemoteBlobStore store;
  private final Executor executor;

  private FarmExecutor(ManagedChannel channel, RemoteBlobStore store, Executor executor) {
    this.channel = channel;
    this.store = store;
    this.executor = executor;
  }

  /**
   * @param channel to the farm; shut down with the executor, and when it cannot start
   */
  static FarmExecutor start(FarmConfig config, ManagedChannel channel)
      throws IOException, ConfigException {
    RemoteBlobStore store = new RemoteBlobStore(channel, "");
    try {
      Executor executor = Executor.start(options(config), channel, store);
      return new FarmExecutor(channel, store, executor);
    } catch (IOException | ConfigException | RuntimeException e) {
      channel.shutdownNow();
      throw e;
    }
  }

  private static ExecutorOptions options(FarmConfig config) throws IOException, ConfigException {
    String name = config.get(Key.EXECUTOR_NAME);
    int slots = config.get(Key.EXECUTOR_SLOTS);
    SpackOptions d = SpackOptions.DEFAULTS;
    return ExecutorOptions.builder(
            name.isEmpty() ? hostName() : name, config.get(Key.EXECUTOR_WORK))
        .slots(slots > 0 ? slots : Math.max(1, Runtime.getRuntime().availableProcessors() / 2))
        .labels(config.get(Key.EXECUTOR_LABELS))
        .hostPaths(HostSoftware.paths(config))
        .externals(HostSoftware.externals(config))
        .caches(
            new ExecutorOptions.CacheSizes(
                config.get(Key.EXECUTOR_PREFIX_LIMIT),
                config.get(Key.EXECUTOR_TREE_LIMIT),
                config.get(Key.EXECUTOR_SOURCE_LIMIT)))
        .builds(
            new SpackOptions(
                d.python(),
                d.jobs(),
                d.timeout(),
                config.get(Key.BUILD_MEMORY),
                config.get(Key.BUILD_PROCESSES),
                config.get(Key.BUILD_DISK),
                d.files()))
        .actions(
            ActionOptions.defaults()
                .with(
                    properties(config.get(Key.EXECUTOR_PROPERTIES)),
                    config.get(Key.EXECUTOR_INPUT_CACHE),
                    config.get(Key.EXECUTOR_NETWORK))
                .withImages(
                    new ImageOptions(
                        config.get(Key.EXECUTOR_REGISTRIES), config.get(Key.EXECUTOR_IMAGE_CACHE)))
                .withPlain(isPlain(config)))
        .build();
  }

  /** Whether the executor of this configuration has no sandbox. */
  static boolean isPlain(FarmConfig config) {
    return config.get(Key.EXECUTOR_SANDBOX).equals("plain");
  }

  private static List<Platform.Property> properties(Map<String, String> configured) {
    List<Platform.Property> properties = new ArrayList<>();
    for (String name : new TreeSet<>(configured.keySet())) {
      for (String value : Splitter.on('|').trimResults().split(configured.getOrDefault(name, ""))) {
        properties.add(Platform.Property.newBuilder().setName(name).setValue(value).build());
      }
    }
    return properties;
  }

  /** The host's name in the letters that an executor's name may have. */
  private static String hostName() throws IOException {
    return InetAddress.getLocalHost().getHostName().replaceAll("[^A-Za-z0-9.-]", "-");
  }

  /** Takes no more work, gives builds their grace, and goes. */
  @Override
  public void close() throws IOException {
    try {
      executor.drain();
      executor.close();
      store.close();
      channel.shutdownNow();
      channel.awaitTermination(5, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
