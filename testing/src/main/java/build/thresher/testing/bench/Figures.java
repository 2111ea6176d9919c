package build.thresher.testing.bench;

import build.thresher.testing.bench.ThreadCosts.Kind;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Figures of several runs, printed as medians.
 *
 * <p>CPU of the server is what the process used, less the one thread on which all {@link Peers}
 * are, and less the JVM's compiler, which falls silent in time; it says more than pieces a second
 * do where other programs share the machine.
 */
public final class Figures {
  /** In the order in which rows were first named. */
  private final Map<String, List<Double>> rows = new LinkedHashMap<>();

  /** Adds a value to a row. */
  public void add(String row, double value) {
    rows.computeIfAbsent(row, n -> new ArrayList<>()).add(value);
  }

  /** A row that belongs to another. */
  public void add(String row, double value, String of) {
    add(row + "\0" + of, value);
  }

  /** What happens from {@link #measure} on. */
  public final class Measured {
    private final long begun = System.nanoTime();
    private final ThreadCosts before = ThreadCosts.now();

    private Measured() {}

    /** Adds the rows of something that was done once. */
    public void end(String what) {
      add(what + ", s", seconds());
      costs(what, "ms", 1);
    }

    /** Adds the rows of leases: so many were handed out and came to an end. */
    public void endOfLeases(String what, int leases) {
      add(what + ", leases/s", leases / seconds());
      costs(what, "ms a lease", leases);
    }

    private double seconds() {
      return (System.nanoTime() - begun) / 1e9;
    }

    private void costs(String what, String unit, int count) {
      ThreadCosts after = ThreadCosts.now();
      Map<Kind, Double> costs = new EnumMap<>(Kind.class);
      for (Kind kind : Kind.values()) {
        costs.put(kind, (after.of(kind) - before.of(kind)) / 1e6 / count);
      }
      double server =
          EnumSet.complementOf(EnumSet.of(Kind.PEERS, Kind.COMPILER)).stream()
              .mapToDouble(costs::get)
              .sum();
      add("  CPU of the server, " + unit, server, what);
      costs.forEach((kind, cost) -> add("    " + kind.title, cost, what));
    }
  }

  /** Begins to measure. */
  public Measured measure() {
    return new Measured();
  }

  /** Forgets what was for warming up. */
  public void clear() {
    rows.clear();
  }

  /** Prints all rows, and how much of the heap was used at most. */
  public void print() {
    rows.forEach(Figures::print);
    long peak =
        ManagementFactory.getMemoryPoolMXBeans().stream()
            .filter(pool -> pool.getType() == MemoryType.HEAP)
            .map(MemoryPoolMXBean::getPeakUsage)
            .mapToLong(usage -> usage.getUsed())
            .sum();
    System.out.println("peak heap, clients and executors included: " + (peak >> 20) + " MiB");
  }

  private static void print(String name, List<Double> values) {
    List<Double> sorted = values.stream().sorted().toList();
    System.out.printf(
        Locale.ROOT,
        "%-64s median %8.3f   (%.3f to %.3f, n=%d)%n",
        name.split("\0", 2)[0],
        sorted.get(sorted.size() / 2),
        sorted.getFirst(),
        sorted.getLast(),
        sorted.size());
  }
}
