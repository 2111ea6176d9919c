package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.Lease;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Figures, printed and not asserted: {@code mvn -pl scheduler -am test -Dexcluded.tags=none
 * -Dtest=SchedulerBenchmark -Dsurefire.failIfNoSpecifiedTests=false}.
 */
@Tag("benchmark")
@Timeout(600)
class SchedulerBenchmark {
  private static final int RUNS = 5;
  private static final int NODES = 2000;
  private static final int EXECUTORS = 64;

  @TempDir Path directory = Path.of("");

  /**
   * Some 40 layers that grow narrower, each node on four of the layer below: about the shape and
   * depth of a large environment.
   */
  private static Dag realistic(String salt) {
    Dag dag = new Dag().external("gcc", "12.2.0", "/usr");
    List<String> below = new ArrayList<>();
    Set<String> unused = new LinkedHashSet<>();
    int made = 0; // the root is one more
    for (int layer = 0; made < NODES - 1; layer++) {
      int width = Math.max(10, 100 - 2 * layer);
      List<String> here = new ArrayList<>();
      for (int i = 0; i < width && made < NODES - 1; i++, made++) {
        List<String> edges = new ArrayList<>(List.of("gcc:build"));
        Set<String> chosen = new LinkedHashSet<>();
        for (int k = i; k < below.size(); k += width) {
          chosen.add(below.get(k)); // so that nothing is left over
        }
        for (int k = 1; k < 4 && !below.isEmpty(); k++) {
          chosen.add(below.get((i * 7 + k * 13) % below.size()));
        }
        chosen.forEach(b -> edges.add(b + (edges.size() == 1 ? ":link" : ":build")));
        String name = salt + "-" + layer + "-" + i;
        unused.removeAll(chosen);
        unused.add(name);
        dag.node(name, edges.toArray(new String[0]));
        here.add(name);
      }
      below = here;
    }
    String[] last = unused.stream().map(n -> n + ":link").toArray(String[]::new);
    return dag.node(salt + "-root", last);
  }

  /** Nothing waits for anything: all tasks are ready at once. */
  private static Dag flat(String salt) {
    Dag dag = new Dag();
    String[] edges = new String[NODES - 1];
    for (int i = 0; i < NODES - 1; i++) {
      dag.node(salt + "-" + i);
      edges[i] = salt + "-" + i + ":link";
    }
    return dag.node(salt + "-root", edges);
  }

  @Test
  void figures() throws Exception {
    double[] accept = new double[RUNS];
    double[] leases = new double[RUNS];
    double[] syncs = new double[RUNS];
    double[] deep = new double[RUNS];
    double[] deepCpu = new double[RUNS];
    double[] deepSyncs = new double[RUNS];
    double[] wideCpu = new double[RUNS];
    double[] warm = new double[RUNS];
    for (int run = 0; run < RUNS; run++) {
      try (TestFarm farm = new TestFarm(directory.resolve("run" + run))) {
        Dag dag = realistic("deep" + run);
        ExecuteRequest request = farm.request(dag, "alice").build();
        long begun = System.nanoTime();
        Iterator<ExecuteUpdate> updates = farm.client().execute(request);
        TestFarm.accepted(updates);
        accept[run] = seconds(begun);
        long cpu = cpuNanos();
        long deepCommits = farm.commits();
        deep[run] = NODES / build(farm, updates);
        deepCpu[run] = (cpuNanos() - cpu) / 1e6 / NODES;
        deepSyncs[run] = (farm.commits() - deepCommits) / (double) NODES;

        Dag wide = flat("flat" + run);
        Iterator<ExecuteUpdate> more = farm.client().execute(farm.request(wide, "bob").build());
        TestFarm.accepted(more);
        long commits = farm.commits();
        cpu = cpuNanos();
        leases[run] = NODES / build(farm, more);
        wideCpu[run] = (cpuNanos() - cpu) / 1e6 / NODES;
        syncs[run] = (farm.commits() - commits) / (double) NODES;

        begun = System.nanoTime();
        Request again = TestFarm.last(farm.client().execute(request));
        warm[run] = seconds(begun);
        assertEquals(0, again.getTasksCount());
      }
    }
    print("2,000 nodes, Execute to accepted", accept, "s");
    print(
        "2,000 nodes in 40 layers, 64 executors", deep, "leases/s (leased, completed, published)");
    print("… CPU of server and executors together", deepCpu, "ms per lease");
    print("… syncs per lease, all transitions included", deepSyncs, "");
    print("2,000 ready tasks, 64 executors", leases, "leases/s (leased, completed, published)");
    print("… CPU of server and executors together", wideCpu, "ms per lease");
    print("… syncs per lease, all transitions included", syncs, "");
    print("the same again, Execute to finished", warm, "s");
    long peak =
        ManagementFactory.getMemoryPoolMXBeans().stream()
            .filter(p -> p.getType() == MemoryType.HEAP)
            .map(MemoryPoolMXBean::getPeakUsage)
            .mapToLong(u -> u.getUsed())
            .sum();
    System.out.println("peak heap, clients and executors included: " + (peak >> 20) + " MiB");
  }

  /** Seconds until 64 executors have built everything. */
  private double build(TestFarm farm, Iterator<ExecuteUpdate> updates) throws Exception {
    AtomicInteger built = new AtomicInteger();
    AtomicLong first = new AtomicLong();
    List<ScriptedExecutor> executors = new ArrayList<>();
    for (int i = 0; i < EXECUTORS; i++) {
      executors.add(new ScriptedExecutor(farm, "e" + i + "-" + farm.commits()));
    }
    for (ScriptedExecutor executor : executors) {
      executor.run(
          4,
          (outcome, lease) -> {
            first.compareAndSet(0, System.nanoTime());
            built.incrementAndGet();
            return success(executor, lease);
          });
    }
    assertEquals(RequestState.REQUEST_SUCCEEDED, TestFarm.last(updates).getState());
    double seconds = seconds(first.get());
    executors.forEach(ScriptedExecutor::close);
    assertEquals(NODES, built.get());
    return seconds;
  }

  private static build.thresher.v1.CompleteRequest success(ScriptedExecutor executor, Lease lease) {
    return executor.success(lease);
  }

  /** Of this process, whatever else the machine does. */
  private static long cpuNanos() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static double seconds(long since) {
    return (System.nanoTime() - since) / 1e9;
  }

  private static void print(String what, double[] values, String unit) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    System.out.printf(
        Locale.ROOT,
        "%s: median %.3f (%.3f to %.3f) %s%n",
        what,
        sorted[sorted.length / 2],
        sorted[0],
        sorted[sorted.length - 1],
        unit);
  }
}
