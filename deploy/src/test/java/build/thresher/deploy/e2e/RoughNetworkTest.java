package build.thresher.deploy.e2e;

import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.toSet;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
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

  /**
   * What the server says when it hands out a lease: not what an executor says, which may be late.
   */
  private static final Pattern HANDED_OUT = Pattern.compile(" LongPoll: leased .* as (.*)");

  /** A synced write of a busy machine. */
  private static final long NOISE_NANOS = 20_000_000;

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
    buildThroughFaults(1, Duration.ZERO);
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
  void noResultIsLostOrMadeTwiceThroughManyFaults() throws Exception {
    actionsThroughFaults(200);
  }

  @Test
  @Tag("long")
  void noResultIsLostOrMadeTwiceThroughThousandsOfFaults() throws Exception {
    actionsThroughFaults(2_000);
  }

  /**
   * Clients that are always told something in the end, and what they are told stays: nobody runs
   * such an action again, and the farm says the same of it when all is over.
   */
  private void actionsThroughFaults(int faults) throws Exception {
    long seed = Long.getLong("network.seed", new Random().nextLong());
    System.out.println("network: the same faults with -Dnetwork.seed=" + seed);
    ManagedChannel good = farm.connect();
    TinyActions actions = new TinyActions(good, seed + " ");
    Map<Digest, Set<String>> runsWhenTold = new ConcurrentHashMap<>();
    AtomicBoolean over = new AtomicBoolean();
    List<ManagedChannel> rough = new ArrayList<>();
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        ManagedChannel connection = farm.connectAt(toClients.address());
        rough.add(connection);
        all.add(
            clients.submit(
                () -> {
                  while (!over.get()) {
                    Digest action = actions.run(connection);
                    Set<String> runs = runs(action);
                    assertFalse(runs.isEmpty(), "ended without a run");
                    runsWhenTold.put(action, runs);
                  }
                  return true;
                }));
      }
      try {
        Random random = new Random(seed);
        for (int i = 0; i < faults; i++) {
          oneFault(random);
        }
      } finally {
        over.set(true);
      }
      for (Future<?> one : all) {
        one.get();
      }
      for (Map.Entry<Digest, String> one : actions.told().entrySet()) {
        Digest action = one.getKey();
        assertEquals(one.getValue(), actions.kept(action), () -> "seed " + seed + logs());
        assertEquals(
            runsWhenTold.get(action),
            runs(action),
            () -> "run again, seed " + seed + "\n" + linesOf(action));
      }
      System.out.printf(
          "%d actions through %d faults of the network, %d calls broken off: 0 lost, 0 run after"
              + " they had ended%n",
          actions.told().size(), faults, actions.brokenCalls());
      assertTrue(actions.told().size() > 4, "hardly anything ended");
    } finally {
      rough.forEach(ManagedChannel::shutdownNow);
      good.shutdownNow();
    }
  }

  /** One in thirty lasts longer than a lease. */
  private void oneFault(Random random) throws Exception {
    FaultProxy link = random.nextBoolean() ? toClients : toExecutors;
    int kind = random.nextInt(5);
    int millis = random.nextInt(30) == 0 ? 7_000 : 20 + random.nextInt(100);
    int pause = random.nextInt(60);
    switch (kind) {
      case 0 -> link.reset();
      case 1 -> link.set(FaultProxy.Mode.DELAY);
      case 2 -> link.set(FaultProxy.Mode.HOLD_CALLS);
      case 3 -> link.set(FaultProxy.Mode.HOLD_ANSWERS);
      default -> link.set(FaultProxy.Mode.SWALLOW);
    }
    Thread.sleep(kind == 0 ? 0 : millis);
    link.set(FaultProxy.Mode.PASS);
    if (kind == 4) {
      link.reset(); // what was swallowed is missing from the stream
    }
    Thread.sleep(pause);
  }

  /**
   * The leases of an action that were handed out. One that lapsed on its way may still reach an
   * executor after another has ended the action: what that runs is refused, and no new lease.
   */
  private Set<String> runs(Digest action) {
    return HANDED_OUT.matcher(linesOf(action)).results().map(r -> r.group(1)).collect(toSet());
  }

  private String linesOf(Digest action) {
    return logs().lines().filter(line -> line.contains(action.hex())).collect(joining("\n"));
  }

  @Test
  void buildsGoOnWhileServerAndExecutorsAreRestartedTwentyTimes() throws Exception {
    int times = 20;
    List<FarmUnderTest.Client> clients = new ArrayList<>();
    Process old = farm.startExecutorAt(farm.grpcAddress(), "rolling-0");
    for (int i = 1; i <= times; i++) {
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

  /**
   * Compared with what the same server takes before and afterwards, in the same run. On a machine
   * with other work a few of 200 uploads wait for the disk or a core whatever the server does, so
   * the bound is five times what is promised, and an upload may take {@link #NOISE_NANOS} anyway.
   */
  @Test
  void normalLoadIsNotHarmedByPeersThatStallOrTrickle() throws Exception {
    ManagedChannel channel = farm.connect();
    try (StalledPeers peers = new StalledPeers(farm)) {
      RemoteBlobStore store = new RemoteBlobStore(channel, "default");
      byte[] large = new byte[32 << 20];
      new Random(1).nextBytes(large);
      Digest digest = store.put(SCOPE, large);
      long[] before = uploads(store);
      long memory = farm.serverMemoryBytes();
      peers.takeNothing(50, digest);
      peers.trickle(25, digest);
      peers.uploadHalf(25);
      long[] meanwhile = uploads(store); // to set up so many connections is work for all
      long[] with = uploads(store);
      for (int again = 0; again < 2 && p99(with) > 5 * NOISE_NANOS; again++) {
        with = uploads(store); // that work was not over yet; who is harmed for good is harmed again
      }
      long grown = farm.serverMemoryBytes() - memory;
      peers.close();
      long[] after = uploads(store);
      long usual = Math.max(NOISE_NANOS, Math.max(p99(before), p99(after)));
      System.out.printf(
          "200 readers that take nothing, 25 that trickle, 25 half uploads: p99 of an upload"
              + " %.1f ms before, %.1f while they came, %.1f with them, %.1f afterwards (medians %.1f, %.1f, %.1f); the"
              + " server grew by %d MiB%n",
          p99(before) / 1e6,
          p99(meanwhile) / 1e6,
          p99(with) / 1e6,
          p99(after) / 1e6,
          median(before) / 1e6,
          median(with) / 1e6,
          median(after) / 1e6,
          grown >> 20);
      assertTrue(p99(with) < 7.5 * usual, "harmed");
      assertTrue(median(with) < 7.5 * median(before), "harmed");
      assertTrue(grown < 5L * (200 << 20), "grown by " + grown);
    } finally {
      channel.shutdownNow();
    }
  }

  /**
   * A second is promised. All of the waiters are this process, which has its own share of the
   * machine to hear with, so only what no such machine explains is a failure.
   */
  @Test
  void tenThousandWaitersCostLittleAndHearInTime() throws Exception {
    int count = 10_000;
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
          StalledPeers.startAndNeverRead(connection, FarmGrpc.getWaitExecutionMethod(), wait);
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
      assertTrue(p99(delays) < Duration.ofSeconds(20).toNanos(), "heard too late");
    } finally {
      connections.forEach(ManagedChannel::shutdownNow);
      channel.shutdownNow();
    }
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
