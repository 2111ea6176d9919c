package build.thresher.executor.core;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.core.ExecutorProcess.Bounds;
import build.thresher.executor.testing.DirectoryBlobStore;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;

/**
 * A farm that does what a test says, on a port of this host, its blobs in a directory, with the
 * executors that the test starts for it. Closing it ends them too.
 */
final class FarmOnLoopback implements AutoCloseable {
  private final Path directory;
  private final DirectoryBlobStore store;
  private final ScriptedFarm farm = new ScriptedFarm();
  private final Server server;
  private final ManagedChannel channel;
  private final List<AutoCloseable> executors = new ArrayList<>();

  private FarmOnLoopback(Path directory) throws IOException {
    this.directory = directory;
    Path blobs = directory.resolve("blobs");
    store = new DirectoryBlobStore(blobs);
    // Executors of other users read what the test puts there, and write their results.
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    Files.setPosixFilePermissions(blobs, PosixFilePermissions.fromString("rwxrwxrwx"));
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .executor(Executors.newVirtualThreadPerTaskExecutor())
            .addService(farm)
            .build()
            .start();
    channel = NettyChannelBuilder.forAddress("127.0.0.1", server.getPort()).usePlaintext().build();
  }

  /** Skips the test where executors have no sandbox. */
  static FarmOnLoopback startOrSkip(Path directory) throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/bwrap")), "no bubblewrap on this host");
    return new FarmOnLoopback(directory);
  }

  ScriptedFarm farm() {
    return farm;
  }

  DirectoryBlobStore store() {
    return store;
  }

  ManagedChannel channel() {
    return channel;
  }

  /** In this process, with two slots; works in {@code work} below the directory. */
  Executor executor(String name) throws Exception {
    Executor executor =
        Executor.start(
            ExecutorOptions.builder(name, directory.resolve("work")).slots(2).build(),
            channel,
            store);
    executors.add(executor);
    return executor;
  }

  /** In a process of its own; the parameters are those of {@link ExecutorProcess#start}. */
  ExecutorProcess process(
      List<String> as,
      Map<String, String> environment,
      String name,
      Path work,
      int slots,
      Bounds bounds)
      throws IOException {
    ExecutorProcess executor =
        ExecutorProcess.start(
            as,
            environment,
            directory,
            name,
            work,
            server.getPort(),
            directory.resolve("blobs"),
            slots,
            bounds);
    executors.add(executor);
    return executor;
  }

  static void await(String what, BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + Duration.ofMinutes(2).toNanos();
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, "waited in vain for: " + what);
      Thread.sleep(20);
    }
  }

  @Override
  public void close() throws Exception {
    for (AutoCloseable executor : executors) {
      executor.close();
    }
    channel.shutdownNow();
    server.shutdownNow();
  }
}
