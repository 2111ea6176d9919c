package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.store.MemoryTaskStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * One history: orders come in while everything fails, then it is calm and everything has to end.
 */
final class Simulation {
  private static final Duration STORM = Duration.ofMinutes(20);
  private static final Duration LONGEST_CALM = Duration.ofHours(12);

  private final long seed;
  private final boolean stormy;
  private final Random random;
  private final VirtualTime time = new VirtualTime();
  private final Network network;
  private final Rules rules;
  private final Disk disk;
  private final Server server;
  private final Workload workload;
  private final Mirror mirror = new Mirror();
  private final List<Worker> workers = new ArrayList<>();
  private final List<Client> clients = new ArrayList<>();
  private boolean calm;
  private int kills;

  /**
   * What came of it.
   *
   * @param tasks that ended
   * @param serverStarts the first included
   * @param madeAgain times that a build had to wait for a result that was lost
   * @param ended how each request did
   */
  record Report(
      long tasks,
      int requests,
      int waiters,
      int serverStarts,
      int executorKills,
      int madeAgain,
      Duration virtualTime,
      Map<String, RequestState> ended) {}

  private Simulation(long seed, boolean stormy, int packages, Disk.Opening opening) {
    this.seed = seed;
    this.stormy = stormy;
    random = new Random(seed);
    network = new Network(time, random);
    workload = new Workload(packages, !stormy, random);
    rules = new Rules(mirror, workload, !stormy);
    disk = new Disk(opening);
    server = new Server(time, random, disk, mirror, workload, rules);
    for (int i = 0; i < 4; i++) {
      workers.add(new Worker("e" + i, time, random, network, server, workload, mirror, rules));
      clients.add(new Client("c" + i, time, random, network, server, rules));
    }
  }

  /** A world in which everything that can fail does. */
  static Report storm(long seed, int packages, int orders) {
    return storm(seed, packages, orders, inMemory());
  }

  /** The same on another disk. */
  static Report storm(long seed, int packages, int orders, Disk.Opening opening) {
    return new Simulation(seed, true, packages, opening).run(orders);
  }

  /** A world in which nothing fails: everything has to succeed, and nothing may run twice. */
  static Report calm(long seed, int packages, int orders) {
    return new Simulation(seed, false, packages, inMemory()).run(orders);
  }

  private static Disk.Opening inMemory() {
    MemoryTaskStore store = new MemoryTaskStore();
    return () -> store;
  }

  private Report run(int orders) {
    try {
      server.start();
      workers.forEach(Worker::start);
      for (int i = 0; i < orders; i++) {
        Client client = clients.get(random.nextInt(clients.size()));
        Workload.Order order =
            workload.order("r" + i, client.name(), 1 + random.nextInt(3), random);
        rules.ordered(order.id());
        boolean changesHisMind = stormy && random.nextInt(5) == 0;
        time.after(within(STORM), () -> client.order(order, 1 + random.nextInt(3), changesHisMind));
      }
      if (stormy) {
        trouble();
        time.after(STORM, this::calmDown);
      } else {
        calmDown();
      }
      long end = STORM.plus(LONGEST_CALM).toNanos();
      boolean more = true;
      while (more && time.nanos() < end && !(calm && rules.allEnded())) {
        more = time.step();
      }
      rules.atTheEnd();
    } catch (AssertionError | RuntimeException e) {
      throw new AssertionError("seed " + seed + " at " + Duration.ofNanos(time.nanos()), e);
    } finally {
      disk.close();
    }
    return new Report(
        rules.tasksEnded(),
        orders,
        rules.ears(),
        server.starts(),
        kills,
        rules.madeAgain(),
        Duration.ofNanos(time.nanos()),
        new TreeMap<>(rules.finished()));
  }

  private Duration within(Duration longest) {
    return Duration.ofNanos((long) (random.nextDouble() * longest.toNanos()));
  }

  private void trouble() {
    if (calm) {
      return;
    }
    Worker worker = workers.get(random.nextInt(workers.size()));
    switch (random.nextInt(9)) {
      case 0 -> {
        server.crash();
        time.after(within(Duration.ofSeconds(90)), server::start);
      }
      case 1, 2 -> {
        kills++;
        worker.kill();
        time.after(within(Duration.ofMinutes(4)), worker::start);
      }
      case 3, 4 -> worker.freeze(within(Duration.ofMinutes(3)));
      case 5 -> network.cutOff(worker.name(), within(Duration.ofMinutes(3)));
      case 6 -> mirror.loseOne(random);
      case 7 ->
          network.cutOff(
              clients.get(random.nextInt(clients.size())).name(), within(Duration.ofMinutes(2)));
      default ->
          time.setWallAhead(
              random.nextInt(10) == 0
                  ? Duration.ofDays(random.nextBoolean() ? 365 : -365)
                  : Duration.ofMinutes(random.nextInt(120) - 60));
    }
    time.after(within(Duration.ofSeconds(40)), this::trouble);
  }

  private void calmDown() {
    calm = true;
    network.calmDown();
    server.calmDown();
    server.start();
    for (Worker worker : workers) {
      worker.calmDown();
      worker.start();
    }
  }
}
