package build.thresher.executor.testing;

import build.thresher.executor.action.ActionOptions;
import build.thresher.executor.core.Executor;
import build.thresher.executor.core.ExecutorOptions;
import build.thresher.executor.spack.SpackOptions;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;

/**
 * An executor in a process of its own, which tests kill, stop and run as other users. Prints
 * "ready" when it serves, drains on SIGTERM.
 *
 * <p>Arguments: name, work directory, port of the farm, directory of blobs, slots, and limits of
 * builds: seconds, bytes of memory, processes, bytes of disk, files, bytes of log, seconds of
 * grace.
 */
public final class ExecutorMain {
  /** A variable: if set, actions run without a sandbox. */
  public static final String PLAIN = "THRESHER_TEST_PLAIN";

  private ExecutorMain() {}

  public static void main(String[] arguments) throws Exception {
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("127.0.0.1", Integer.parseInt(arguments[2]))
            .usePlaintext()
            .build();
    long[] bounds = Arrays.stream(arguments).skip(5).mapToLong(Long::parseLong).toArray();
    Duration wall = Duration.ofSeconds(bounds[0]);
    ActionOptions d = ActionOptions.defaults();
    ExecutorOptions options =
        ExecutorOptions.builder(arguments[0], Path.of(arguments[1]))
            .slots(Integer.parseInt(arguments[4]))
            .builds(
                new SpackOptions(
                    "/usr/bin/python3", 2, wall, bounds[1], bounds[2], bounds[3], bounds[4]))
            .actions(
                new ActionOptions(
                    d.properties(),
                    d.cacheBytes(),
                    wall,
                    bounds[1],
                    bounds[2],
                    bounds[3],
                    bounds[4],
                    d.network(),
                    d.inlineBytes(),
                    d.images(),
                    System.getenv(PLAIN) != null))
            .logBytes(bounds[5])
            .drainGrace(Duration.ofSeconds(bounds[6]))
            .build();
    Executor executor;
    try {
      executor = Executor.start(options, channel, new DirectoryBlobStore(Path.of(arguments[3])));
    } catch (java.io.IOException e) {
      System.out.println("refused: " + e.getMessage());
      System.exit(1);
      return;
    }
    CountDownLatch stopped = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  try {
                    executor.drain();
                    System.out.println("drained");
                  } catch (Exception e) {
                    System.out.println("not drained: " + e);
                  }
                  stopped.countDown();
                }));
    System.out.println("ready");
    stopped.await();
  }
}
