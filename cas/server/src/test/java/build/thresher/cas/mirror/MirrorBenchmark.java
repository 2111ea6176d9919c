package build.thresher.cas.mirror;

import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.Retention.Outcome;
import build.thresher.cas.mirror.Retention.Rules;
import build.thresher.cas.mirror.SyntheticMirror.Pushed;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Figures of a mirror with many specs, printed and not asserted: {@code ./thresher bench mirror}.
 * {@code thresher.bench.specs} says how many; with {@code thresher.bench.dir} the mirror is kept
 * there for the next time, for to fill it takes longest.
 */
@Tag("benchmark")
class MirrorBenchmark {
  private static final int SPECS = Integer.getInteger("thresher.bench.specs", 100_000);
  private static final String DIR = System.getProperty("thresher.bench.dir", "");
  private static final String INSTANCE = "release";
  private static final String OTHER = "develop";
  private static final Rules NOTHING_KEEPS = new Rules(Duration.ZERO, false, Duration.ofDays(7));

  /** Number of a DAG's root. */
  private static final int LAST = SyntheticMirror.NODES_A_DAG - 1;

  private static final int WRITERS = 32;
  private static final int READERS = 64;
  private static final int READS = 20_000;

  @Test
  void figures() throws Exception {
    Path dir = DIR.isEmpty() ? Files.createTempDirectory("mirror-bench") : Path.of(DIR);
    try {
      fill(dir);
      try (MirrorOnDisk full = timed("start with " + SPECS + " specs", () -> open(dir))) {
        System.gc();
        long bytes = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
        show("  heap that is held then", bytes / 1e6, "MB");
        signing(dir);
        index(full);
        readers(full);
        view(full);
        prune(full);
        promote(full);
      }
    } finally {
      if (DIR.isEmpty()) {
        delete(dir);
      }
    }
  }

  private static MirrorOnDisk open(Path dir) throws IOException {
    return MirrorOnDisk.open(dir, INSTANCE, OTHER);
  }

  /** By the door that an import takes, several at a time. */
  private static void fill(Path dir) throws Exception {
    try (MirrorOnDisk at = open(dir)) {
      fill(at);
    }
  }

  private static void fill(MirrorOnDisk at) throws Exception {
    int there = at.mirror().size(INSTANCE);
    if (there >= SPECS) {
      return;
    }
    AtomicInteger next = new AtomicInteger(there / SyntheticMirror.NODES_A_DAG);
    long begun = System.nanoTime();
    Callable<Boolean> writer =
        () -> {
          int dags = SPECS / SyntheticMirror.NODES_A_DAG;
          for (int i = next.getAndIncrement(); i < dags; i = next.getAndIncrement()) {
            for (Pushed each : SyntheticMirror.dag("s" + i)) {
              push(at, each);
            }
          }
          return true;
        };
    inParallel(WRITERS, writer);
    double seconds = (System.nanoTime() - begun) / 1e9;
    show("verified and published", (SPECS - there) / seconds, "specs/s");
  }

  private static void push(MirrorOnDisk at, Pushed spec) throws Exception {
    spec.putBlobs(at.blobs(), Scope.farm(INSTANCE));
    at.pushed().take(INSTANCE, new ManifestText(spec.manifest()), "benchmark");
  }

  /** What each manifest costs besides, with a key as servers have them. */
  private static void signing(Path dir) throws IOException {
    for (KeyType type : KeyType.values()) {
      Path keys = dir.resolve("real").resolve(type.name());
      Signer signer = Signer.open(keys, "benchmark", InstantSource.system(), type);
      String text = "x".repeat(600);
      long begun = 0;
      for (int i = 0; i < 1000; i++) {
        begun = i == 500 ? threadNanos() : begun;
        signer.clearSign(text);
      }
      show("a signature with " + type + ", CPU", (threadNanos() - begun) / 5e8, "ms");
    }
  }

  private static long threadNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  private static void index(MirrorOnDisk at) throws Exception {
    heapPools().forEach(MemoryPoolMXBean::resetPeakUsage);
    DagHash any = at.mirror().require(INSTANCE).all().getFirst().hash();
    long size = timed("first index, from every node", () -> at.readIndex(INSTANCE, any));
    show("  its size", size / 1e6, "MB");
    peak();
    publishOneMore(at, "publish one more and read it in the index", 1000);
    publishOneMore(at, "  the same at once again: one index a second", 0);
    peak();
    long begun = System.nanoTime();
    for (int i = 0; i < 10; i++) {
      at.readIndex(INSTANCE, any);
    }
    double megabytes = 10 * size / 1e6;
    show("index that is there, read", megabytes / ((System.nanoTime() - begun) / 1e9), "MB/s");
  }

  private static void publishOneMore(MirrorOnDisk at, String what, int pauseMillis)
      throws Exception {
    List<Double> seconds = new ArrayList<>();
    long cpu = cpuNanos();
    for (int i = 0; i < 5; i++) {
      Pushed one = SyntheticMirror.dag("new" + System.nanoTime()).getFirst();
      one.putBlobs(at.blobs(), Scope.farm(INSTANCE));
      Thread.sleep(pauseMillis);
      long begun = System.nanoTime();
      at.pushed().take(INSTANCE, new ManifestText(one.manifest()), "benchmark");
      at.readIndex(INSTANCE, one.node().hash());
      seconds.add((System.nanoTime() - begun) / 1e9);
    }
    Collections.sort(seconds);
    show(what + ", median", seconds.get(2), "s");
    show("  longest", seconds.getLast(), "s");
    show("  CPU of each, the reader's too", (cpuNanos() - cpu) / 5e9, "s");
  }

  /**
   * As {@code spack install} asks: the manifest, then the archive, which takes it a while to
   * unpack. Without that pause each reader has a request in flight all the time, so that the
   * latency says how many requests a second there are for so many readers, and nothing else.
   */
  private static void readers(MirrorOnDisk at) throws Exception {
    List<PublishedSpec> specs = at.mirror().require(INSTANCE).all();
    read(at, specs, 0, READS); // warms up
    String what = READERS + " readers, a connection a request";
    timed(what, () -> read(at, specs, 0, READS));
    timed(what + ", 100 ms a node", () -> read(at, specs, 100, READS / 2));
  }

  private static int read(MirrorOnDisk at, List<PublishedSpec> specs, int pauseMillis, int reads)
      throws Exception {
    AtomicInteger next = new AtomicInteger();
    List<Double> millis = Collections.synchronizedList(new ArrayList<>());
    long begun = System.nanoTime();
    Callable<Boolean> reader =
        () -> {
          Random random = new Random(next.get());
          while (next.incrementAndGet() <= reads) {
            Thread.sleep(pauseMillis == 0 ? 0 : random.nextInt(2 * pauseMillis));
            millis.add(read(at, specs.get(random.nextInt(specs.size()))));
          }
          return true;
        };
    inParallel(READERS, reader);
    show("  requests", 2 * reads / ((System.nanoTime() - begun) / 1e9), "1/s");
    latencies(millis);
    return reads;
  }

  /** Milliseconds of the manifest's GET. */
  private static double read(MirrorOnDisk at, PublishedSpec spec) throws IOException {
    long begun = System.nanoTime();
    at.get(INSTANCE, MirrorPath.ofSpec(spec.name(), spec.version(), spec.hash()));
    double millis = (System.nanoTime() - begun) / 1e6;
    at.get(INSTANCE, MirrorOnDisk.blob(spec.archive().hex()));
    return millis;
  }

  private static void view(MirrorOnDisk at) throws Exception {
    ImmutableSet<String> packages = ImmutableSet.of("s7-" + LAST, "s11-" + LAST);
    ImmutableSet<String> any = ImmutableSet.of();
    at.views().set(INSTANCE, new View("some", ImmutableSet.of(), packages, any, any, ""));
    String manifest = "v3/manifests/index/some/index.manifest.json";
    timed("first index of a view of 40 specs", () -> at.get(INSTANCE, manifest));
    at.views().remove(INSTANCE, "some");
  }

  private static void prune(MirrorOnDisk at) throws Exception {
    List<PublishedSpec> all = at.mirror().require(INSTANCE).all();
    ImmutableList<DagHash> half =
        all.stream()
            .filter(s -> s.name().endsWith("-" + LAST) && s.hash().text().charAt(0) < 'm')
            .map(PublishedSpec::hash)
            .collect(ImmutableList.toImmutableList());
    ImmutableList<DagHash> none = ImmutableList.of();
    at.pins()
        .set(
            INSTANCE,
            new Pin("half", half, none, ImmutableList.of(), "", at.mirror().clock().instant()));
    Retention retention = at.retention();
    timed("prune --dry-run", () -> retention.prune(INSTANCE, NOTHING_KEEPS, true));
    Outcome outcome =
        whileRead(at, "prune", all, () -> retention.prune(INSTANCE, NOTHING_KEEPS, false));
    long gone = outcome.decisions().stream().filter(Retention.Decision::pruned).count();
    show("  of which went", (double) gone, "specs");
    whileRead(at, "index after it", all, () -> at.get(INSTANCE, MirrorOnDisk.INDEX));
    whileRead(at, "restore --all", all, () -> retention.restore(INSTANCE, List.of(), true));
    at.pins().remove(INSTANCE, "half");
  }

  private static void promote(MirrorOnDisk at) throws Exception {
    Promotion promotion = new Promotion(at.mirror());
    AtomicInteger promoted = new AtomicInteger();
    List<String> roots = new ArrayList<>();
    for (int i = 0; i < Math.min(100, SPECS / SyntheticMirror.NODES_A_DAG); i++) {
      roots.add("s" + i + "-" + LAST);
    }
    Callable<AtomicInteger> promoting =
        () -> {
          promotion.promote(INSTANCE, OTHER, roots, false, each -> promoted.incrementAndGet());
          return promoted;
        };
    timed("promote 100 roots and what they need", promoting);
    show("  which are", promoted.get(), "specs");
    Callable<Boolean> rotating =
        () -> {
          try (KeyRotation rotation = KeyRotation.start(at.mirror())) {
            KeyRotation.Status status = rotation.rotate(OTHER);
            while (status.toSign() > 0) {
              Thread.sleep(20);
              status = rotation.status(OTHER);
            }
          }
          return true;
        };
    timed("a new key, and each of them signed anew", rotating);
    timed("all of them pruned", () -> at.retention().prune(OTHER, NOTHING_KEEPS, false));
  }

  /** Somebody reads all the while. */
  private static <T> T whileRead(
      MirrorOnDisk at, String what, List<PublishedSpec> specs, Callable<T> work) throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    List<Double> millis = Collections.synchronizedList(new ArrayList<>());
    Callable<Boolean> reader =
        () -> {
          Random random = new Random(1);
          while (!over.get()) {
            millis.add(read(at, specs.get(random.nextInt(specs.size()))));
          }
          return true;
        };
    try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
      Future<Boolean> reading = thread.submit(reader);
      try {
        return timed(what, work);
      } finally {
        over.set(true);
        reading.get();
        latencies(millis);
      }
    }
  }

  /** CPU is that of the whole process: on a machine with other work it says more than the time. */
  private static <T> T timed(String what, Callable<T> work) throws Exception {
    long cpu = cpuNanos();
    long begun = System.nanoTime();
    T result = work.call();
    show(what, (System.nanoTime() - begun) / 1e9, "s");
    show("  CPU", (cpuNanos() - cpu) / 1e9, "s");
    return result;
  }

  private static long cpuNanos() {
    return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime();
  }

  private static void inParallel(int threads, Callable<Boolean> work) throws Exception {
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      for (Future<Boolean> each : pool.invokeAll(Collections.nCopies(threads, work))) {
        each.get();
      }
    }
  }

  private static void latencies(List<Double> millis) {
    List<Double> sorted = millis.stream().sorted().toList();
    if (!sorted.isEmpty()) {
      show("  GET of a manifest meanwhile, median", sorted.get(sorted.size() / 2), "ms");
      show("  p99", sorted.get(sorted.size() * 99 / 100), "ms");
      show("  longest", sorted.getLast(), "ms");
    }
  }

  private static void peak() {
    long bytes = heapPools().mapToLong(pool -> pool.getPeakUsage().getUsed()).sum();
    show("  highest use of the heap", bytes / 1e6, "MB");
  }

  private static Stream<MemoryPoolMXBean> heapPools() {
    return ManagementFactory.getMemoryPoolMXBeans().stream()
        .filter(pool -> pool.getType() == MemoryType.HEAP);
  }

  private static void show(String what, double value, String unit) {
    System.out.printf(Locale.ROOT, "%-56s %10.2f %s%n", what, value, unit);
  }

  private static void delete(Path dir) throws IOException {
    try (Stream<Path> all = Files.walk(dir)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }
}
