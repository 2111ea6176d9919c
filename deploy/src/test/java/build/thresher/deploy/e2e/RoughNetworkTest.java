package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.v1.CancelRequest;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.WaitExecutionRequest;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.ReadRequest;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Networks that delay, swallow and break off, peers that take nothing, and farms that are restarted
 * piece by piece: builds end as they should, and who behaves is not harmed.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(SharedWorld.class)
class RoughNetworkTest {
  private static final Scope SCOPE = new Scope("default", "test");

  private final Solved solved;
  private final FarmUnderTest farm;
  private final FaultProxy toClients;
  private final FaultProxy toExecutors;
  private int naps;

  RoughNetworkTest(SpackWorld world, @TempDir Path directory) throws Exception {
    solved = SharedWorld.solved(world);
    farm =
        FarmUnderTest.start(
            directory.resolve("farm"), "executor.local=false", "scheduler.lease_term=6s");
    toClients = new FaultProxy(farm.grpcAddress());
    toExecutors = new FaultProxy(farm.grpcAddress());
  }

  @BeforeAll
  void buildWhatAllNeed() throws Exception {
    farm.startExecutorAt(toExecutors.address(), "one");
    farm.thresher("build", solved.root("fl-core").plan().toString()).succeeded();
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
    toClients.close();
    toExecutors.close();
  }

  @Test
  void buildsEndWellOverANetworkThatDelaysSwallowsAndBreaksOff() throws Exception {
    buildThroughFaults(3, Duration.ZERO);
  }

  /** {@code -Dsoak.minutes} says how long. */
  @Test
  @Tag("long")
  void buildsEndWellOverSuchANetworkForAsLongAsOneLikes() throws Exception {
    buildThroughFaults(1, Duration.ofMinutes(Integer.getInteger("soak.minutes", 10)));
  }

  private void buildThroughFaults(int least, Duration time) throws Exception {
    long seed = Long.getLong("network.seed", new Random().nextLong());
    System.out.println("network: the same faults with -Dnetwork.seed=" + seed);
    Random random = new Random(seed);
    long begun = System.nanoTime();
    int builds = 0;
    int faults = 0;
    while (builds < least || System.nanoTime() - begun < time.toNanos()) {
      Solved.Root root = slow();
      FarmUnderTest.Client client =
          accepted(farm.startThresherAt(toClients.address(), "build", root.plan().toString()));
      for (int i = 0; i < 8 && client.process().isAlive(); i++) {
        FaultProxy rough = random.nextBoolean() ? toClients : toExecutors;
        switch (random.nextInt(3)) {
          case 0 -> rough.reset();
          case 1 -> rough.set(FaultProxy.Mode.DELAY);
          default -> rough.set(FaultProxy.Mode.SWALLOW);
        }
        faults++;
        Thread.sleep(100 + random.nextInt(900));
        rough.set(FaultProxy.Mode.PASS);
        rough.reset(); // what was swallowed is missing from the stream
        Thread.sleep(random.nextInt(500));
      }
      Processes.Ended ended = client.await();
      assertEquals(0, ended.exit(), () -> "seed " + seed + "\n" + ended.output() + logs());
      builds++;
    }
    System.out.println(builds + " builds through " + faults + " faults of the network, 0 failed");
  }

  @Test
  void buildsGoOnWhileServerAndExecutorsAreRestartedOneAfterAnother() throws Exception {
    restart(3);
  }

  @Test
  @Tag("long")
  void buildsGoOnWhileServerAndExecutorsAreRestartedTwentyTimes() throws Exception {
    restart(20);
  }

  private void restart(int times) throws Exception {
    List<FarmUnderTest.Client> clients = new ArrayList<>();
    Process old = farm.startExecutorAt(farm.grpcAddress(), "rolling-0");
    for (int i = 1; i <= times; i++) {
      clients.add(accepted(farm.startThresher("build", slow().plan().toString())));
      clients.add(accepted(farm.startThresher("build", slow().plan().toString())));
      farm.stopServer();
      farm.startServer();
      Process next = farm.startExecutorAt(farm.grpcAddress(), "rolling-" + i);
      old.destroy();
      old.waitFor();
      old = next;
    }
    for (FarmUnderTest.Client client : clients) {
      Processes.Ended ended = client.await();
      assertEquals(0, ended.exit(), () -> ended.output() + logs());
    }
    System.out.println(clients.size() + " builds over " + times + " restarts of both, 0 failed");
  }

  /** What is accepted is promised; a client that cannot reach the farm at first says so at once. */
  private static FarmUnderTest.Client accepted(FarmUnderTest.Client client) throws Exception {
    Processes.until(
        "it is accepted",
        () -> client.output().contains("==> Request ") || !client.process().isAlive());
    return client;
  }

  @Test
  void normalLoadIsNotHarmedByReadersThatTakeNothing() throws Exception {
    ManagedChannel channel = farm.connect();
    List<ManagedChannel> stalled = new ArrayList<>();
    try {
      RemoteBlobStore store = new RemoteBlobStore(channel, "default");
      byte[] large = new byte[32 << 20];
      new Random(1).nextBytes(large);
      Digest digest = store.put(SCOPE, large);
      long[] before = uploads(store);
      long memory = farm.serverMemoryBytes();
      for (int i = 0; i < 50; i++) {
        ManagedChannel connection = farm.connect();
        stalled.add(connection);
        for (int n = 0; n < 4; n++) {
          startAndNeverRead(
              connection,
              ByteStreamGrpc.getReadMethod(),
              ReadRequest.newBuilder().setResourceName("default/blobs/" + digest).build());
        }
      }
      long[] with = uploads(store);
      long grown = farm.serverMemoryBytes() - memory;
      System.out.printf(
          "200 readers that take nothing: an upload took %.1f ms (p99 %.1f) before, %.1f ms"
              + " (p99 %.1f) with them; the server grew by %d MiB%n",
          median(before) / 1e6,
          p99(before) / 1e6,
          median(with) / 1e6,
          p99(with) / 1e6,
          grown >> 20);
      assertTrue(median(with) < 7.5 * median(before), "harmed");
      assertTrue(grown < 5L * (200 << 20), "grown by " + grown);
    } finally {
      stalled.forEach(ManagedChannel::shutdownNow);
      channel.shutdownNow();
    }
  }

  @Test
  void waitersThatNeverReadCostLittleAndDelayNobody() throws Exception {
    waiters(1_000);
  }

  @Test
  @Tag("long")
  void tenThousandWaitersCostLittleAndHearInTime() throws Exception {
    waiters(10_000);
  }

  private void waiters(int count) throws Exception {
    ManagedChannel channel = farm.connect();
    List<ManagedChannel> connections = new ArrayList<>();
    try (ExecutorService waiting = Executors.newVirtualThreadPerTaskExecutor()) {
      Solved.Root never = solved.root("fl-slow", "nap", "3600.0" + (90 + naps++) + " || true");
      ExecuteRequest request = Submission.upload(channel, never.plan()).build();
      var updates = FarmGrpc.newBlockingStub(channel).execute(request);
      ExecuteUpdate accepted = updates.next();
      String id = accepted.getAccepted().getRequestId();
      long memory = farm.serverMemoryBytes();
      WaitExecutionRequest wait = WaitExecutionRequest.newBuilder().setRequestId(id).build();
      List<Future<Long>> heard = new ArrayList<>();
      AtomicInteger joined = new AtomicInteger();
      for (int i = 0; i < count; i++) {
        if (i % 500 == 0) {
          connections.add(farm.connect());
        }
        ManagedChannel connection = connections.getLast();
        if (i % 10 == 0) {
          startAndNeverRead(connection, FarmGrpc.getWaitExecutionMethod(), wait);
        } else {
          heard.add(
              waiting.submit(
                  () -> {
                    var own = FarmGrpc.newBlockingStub(connection).waitExecution(wait);
                    assertTrue(own.next().hasAccepted());
                    joined.incrementAndGet();
                    while (own.hasNext()) {
                      if (own.next().hasFinished()) {
                        return System.nanoTime();
                      }
                    }
                    throw new AssertionError("the stream ended without an answer");
                  }));
        }
      }
      Processes.until("all wait", () -> joined.get() == heard.size());
      long grown = farm.serverMemoryBytes() - memory;
      long cancelled = System.nanoTime();
      Request atOnce =
          FarmGrpc.newBlockingStub(channel)
              .cancel(CancelRequest.newBuilder().setRequestId(id).build());
      assertEquals(RequestState.REQUEST_CANCELLED, atOnce.getState());
      long[] delays = new long[heard.size()];
      for (int i = 0; i < delays.length; i++) {
        delays[i] = heard.get(i).get() - cancelled;
      }
      Arrays.sort(delays);
      System.out.printf(
          "%d waiters, one in ten never reads: the server grew by %d MiB, p99 of hearing the end"
              + " %d ms%n",
          count, grown >> 20, p99(delays) / 1_000_000);
      assertTrue(grown < 5L * (200 << 20), "grown by " + grown);
      assertTrue(p99(delays) < Duration.ofSeconds(5).toNanos(), "heard too late");
    } finally {
      connections.forEach(ManagedChannel::shutdownNow);
      channel.shutdownNow();
    }
  }

  private static <Q, A> void startAndNeverRead(
      ManagedChannel channel, MethodDescriptor<Q, A> method, Q request) {
    ClientCall<Q, A> call = channel.newCall(method, CallOptions.DEFAULT);
    call.start(new ClientCall.Listener<>() {}, new Metadata());
    call.sendMessage(request);
    call.halfClose();
  }

  /** Sorted durations in ns. */
  private static long[] uploads(RemoteBlobStore store) throws Exception {
    Random random = new Random();
    long[] nanos = new long[200];
    for (int i = 0; i < nanos.length; i++) {
      byte[] small = new byte[1_000];
      random.nextBytes(small);
      long begun = System.nanoTime();
      store.putAll(SCOPE, List.of(Blob.of(small)));
      nanos[i] = System.nanoTime() - begun;
    }
    Arrays.sort(nanos);
    return nanos;
  }

  private static long median(long[] sorted) {
    return sorted[sorted.length / 2];
  }

  private static long p99(long[] sorted) {
    return sorted[sorted.length * 99 / 100];
  }

  private Solved.Root slow() throws Exception {
    return solved.root("fl-slow", "nap", "1.0" + (10 + naps++));
  }

  private String logs() {
    try {
      return farm.logs();
    } catch (java.io.IOException e) {
      return "(no logs: " + e + ")";
    }
  }
}
