package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.Lease;
import build.thresher.v1.RenewLease;
import build.thresher.v1.RenewRequest;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server with a long queue is killed: the queue is there again, and what ran goes on. */
class LongQueueTest {
  private static final int TASKS = 5_000;
  private static final int RUNNING = 100;
  private static final int SLOTS = 1_000;

  /** Five times the three seconds that are promised. */
  private static final long FIRST_LEASE_NANOS = 15_000_000_000L;

  @Test
  void fiveThousandQueuedTasksStayQueuedAndLeasedOnesGoOnOverAKill(@TempDir Path directory)
      throws Exception {
    try (FarmUnderTest farm =
        FarmUnderTest.start(directory.resolve("farm"), "executor.local=false")) {
      ManagedChannel channel = farm.connect();
      try {
        String[] names = IntStream.range(0, TASKS).mapToObj(i -> "fl-" + i).toArray(String[]::new);
        new TinyRequest(channel).execute("long", names);
        ExecutorsGrpc.ExecutorsBlockingStub executors =
            ExecutorsGrpc.newBlockingStub(channel).withWaitForReady();
        ExecutorByHand first = new ExecutorByHand(executors, "first");
        first.register(SLOTS, List.of());
        List<Lease> running = first.lease(RUNNING, 20);
        assertEquals(RUNNING, running.size());
        farm.killServer();
        farm.startServer();

        long started = System.nanoTime();
        ExecutorByHand second = new ExecutorByHand(executors, "second");
        second.register(SLOTS, List.of());
        List<Lease> found = new ArrayList<>(second.lease(1, 20));
        long firstLease = System.nanoTime() - started;
        found.addAll(second.lease(SLOTS - 1, 5));
        first.register(SLOTS, running);
        for (int i = 3; found.size() < TASKS - RUNNING && i < 12; i++) {
          ExecutorByHand another = new ExecutorByHand(executors, "executor-" + i);
          another.register(SLOTS, List.of());
          found.addAll(another.lease(SLOTS, 5));
        }
        Set<String> hashes = new HashSet<>();
        found.forEach(lease -> hashes.add(lease.getSpackBuild().getHash()));
        assertEquals(TASKS - RUNNING, found.size(), "handed out after the kill");
        running.forEach(lease -> hashes.add(lease.getSpackBuild().getHash()));
        assertEquals(TASKS, hashes.size(), "lost, or handed out twice");
        RenewRequest.Builder renew =
            RenewRequest.newBuilder().setExecutor("first").setIncarnation("first");
        running.forEach(l -> renew.addLeases(RenewLease.newBuilder().setFence(l.getFence())));
        assertEquals(List.of(), executors.renew(renew.build()).getKillList());
        System.out.printf(
            "%d tasks over a kill: 0 lost, 0 run again, first lease %d ms after the start%n",
            TASKS, firstLease / 1_000_000);
        assertTrue(firstLease < FIRST_LEASE_NANOS, () -> "first lease after " + firstLease + " ns");
      } finally {
        channel.shutdownNow();
      }
    }
  }
}
