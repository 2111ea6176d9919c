package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.v1.Capabilities;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.HeldLease;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.RegisterRequest;
import build.thresher.v1.RenewLease;
import build.thresher.v1.RenewRequest;
import com.google.protobuf.Duration;
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
        register(executors, "first", List.of());
        List<Lease> running = lease(executors, "first", RUNNING, 20);
        assertEquals(RUNNING, running.size());
        farm.killServer();
        farm.startServer();

        long started = System.nanoTime();
        register(executors, "second", List.of());
        List<Lease> found = new ArrayList<>(lease(executors, "second", 1, 20));
        long firstLease = System.nanoTime() - started;
        found.addAll(lease(executors, "second", SLOTS - 1, 5));
        register(executors, "first", running);
        for (int i = 3; found.size() < TASKS - RUNNING && i < 12; i++) {
          register(executors, "executor-" + i, List.of());
          found.addAll(lease(executors, "executor-" + i, SLOTS, 5));
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

  private static void register(
      ExecutorsGrpc.ExecutorsBlockingStub executors, String name, List<Lease> held) {
    RegisterRequest.Builder request =
        RegisterRequest.newBuilder()
            .setExecutor(name)
            .setIncarnation(name)
            .setSlots(SLOTS)
            .setCapabilities(
                Capabilities.newBuilder()
                    .setPlatform("linux")
                    .setOperatingSystem("debian12")
                    .setTarget("x86_64_v3")
                    .addAllCompatibleTargets(List.of("x86_64", "x86_64_v2", "x86_64_v3"))
                    .setSandbox("bubblewrap"));
    held.forEach(l -> request.addHeld(HeldLease.newBuilder().setFence(l.getFence())));
    assertEquals(List.of(), executors.register(request.build()).getRefusedList());
  }

  private static List<Lease> lease(
      ExecutorsGrpc.ExecutorsBlockingStub executors, String name, int max, int seconds) {
    return executors
        .lease(
            LeaseRequest.newBuilder()
                .setExecutor(name)
                .setIncarnation(name)
                .setMaxLeases(max)
                .setWait(Duration.newBuilder().setSeconds(seconds))
                .build())
        .getLeasesList();
  }
}
